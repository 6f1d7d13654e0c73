// Handles a plugin's "describe me again" in the background, with one call at a time for each plugin. A plugin that
// hangs delays neither the node's other news nor other plugins.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "qarax/core/worker_pool.hpp"

namespace qarax::agent {

class Redescriber {
 public:
  // `describe` asks the plugin and stores the answer; it may hang. It runs on a thread of this object.
  explicit Redescriber(std::function<void(const std::string& plugin)> describe) : describe_(std::move(describe)) {}

  // Any thread; only enqueues. Requests that come while the plugin is being asked lead to one more call afterwards, so
  // that an older description never replaces a newer one.
  void ask(const std::string& plugin);

 private:
  void work(const std::string& plugin);

  const std::function<void(const std::string& plugin)> describe_;
  std::mutex mutex_;
  std::map<std::string, bool> asking_;        // the plugins that are being asked; true: ask once more
  core::WorkerPool pool_{"describe", 0, 64};  // last member, because its threads use all of the above
};

}  // namespace qarax::agent
