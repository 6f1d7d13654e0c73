// The agent as a whole: every part made, wired and ended in order. main.cpp is the only one that has a Node.
#pragma once

#include <memory>

#include "node_config.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

class Node {
 public:
  // Returns when the node answers on its port and socket; VMs recover in the background. After an error the process has
  // to end, by _exit: what was begun isn't undone, and keeps the data folder's lock.
  static Result<std::unique_ptr<Node>> start(const NodeConfig& config, const std::string& program_folder);
  virtual ~Node() = default;
  virtual int port() const = 0;
  // Streams end, calls in flight get the configured grace, plugins are destroyed; VMs run on. OK when all ended in
  // time.
  virtual Status stop() = 0;
};

}  // namespace qarax::agent
