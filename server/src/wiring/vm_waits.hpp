// Callers that wait until a VM runs or its console shows a text. Each holds a thread, so there are only so many.
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
    // The serial log from its first byte on, going on while the VM runs.
    std::function<Result<std::unique_ptr<ConsoleReader>>(const VmRecord&)> follow;
    // Its end as it is now.
    std::function<std::string(const VmRecord&)> tail;
    std::function<bool()> ending;  // the server's: nobody waits any longer
  };
  VmWaits(const Store& store, Sources sources) : store_(store), sources_(std::move(sources)) {}

  // As Operations::wait_for says.
  Result<VmPtr> wait(const WaitCall& call);

 private:
  class Watch;

  const Store& store_;
  const Sources sources_;
  std::atomic<int> waiting_{0};
};

}  // namespace qarax::server
