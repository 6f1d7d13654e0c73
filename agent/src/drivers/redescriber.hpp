// A plugin's "describe me again": asked in the background, one call at a time for each plugin, so that one that hangs
// holds up neither the node's other news nor the other plugins.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "qarax/core/worker_pool.hpp"

namespace qarax::agent {

class Redescriber {
 public:
  // `describe`: asks the plugin and keeps what it says; may hang. On a thread of this.
  explicit Redescriber(std::function<void(const std::string& plugin)> describe) : describe_(std::move(describe)) {}

  // Any thread; only enqueues. What is asked for while the plugin is being asked is one more call after that one: an
  // older description never comes in over a newer one.
  void ask(const std::string& plugin);

 private:
  void work(const std::string& plugin);

  const std::function<void(const std::string& plugin)> describe_;
  std::mutex mutex_;
  std::map<std::string, bool> asking_;        // the plugins that are being asked; true: once more
  core::WorkerPool pool_{"describe", 0, 64};  // last: its threads use all of the above
};

}  // namespace qarax::agent
