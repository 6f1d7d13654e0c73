// Lets callers wait until a VM runs or its console shows a text. Each wait blocks a thread, so their number is limited.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "handlers/operations.hpp"

namespace qarax::server {

// Thread-safe.
class VmWaits {
 public:
  struct Sources {
    // Reads the serial log from its first byte and follows it while the VM runs.
    std::function<Result<std::unique_ptr<ConsoleReader>>(const VmRecord&)> follow;
    // The current end of the serial log.
    std::function<std::string(const VmRecord&)> tail;
    std::function<bool()> ending;  // true once the server is ending: all waits return
  };
  VmWaits(const Store& store, Sources sources) : store_(store), sources_(std::move(sources)) {}

  // See Operations::wait_for.
  Result<VmPtr> wait(const WaitCall& call);

 private:
  class Watch;

  const Store& store_;
  const Sources sources_;
  std::atomic<int> waiting_{0};
};

}  // namespace qarax::server
