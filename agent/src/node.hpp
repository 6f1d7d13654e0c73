// The agent as a whole: makes, wires and ends every part in order. Only main.cpp has a Node.
#pragma once

#include <memory>

#include "node_config.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

class Node {
 public:
  // Returns when the node answers on its port and socket; VMs recover in the background. After an error the process
  // must end by _exit: what was begun isn't undone and keeps the data folder's lock.
  static Result<std::unique_ptr<Node>> start(const NodeConfig& config, const std::string& program_folder);
  virtual ~Node() = default;
  virtual int port() const = 0;
  // Ends streams, gives calls in flight the configured grace, and destroys the plugins; VMs run on. OK if all of it
  // ended in time.
  virtual Status stop() = 0;
};

}  // namespace qarax::agent
