// Lets callers wait until a VM runs or its console shows a text. Their number is limited.
#pragma once

#include <functional>
#include <memory>

#include "handlers/operations.hpp"
#include "handlers/wait_limit.hpp"

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
  VmWaits(const StoreReads& store, Sources sources) : store_(store), sources_(std::move(sources)) {}

  // See Operations::wait_for.
  Result<VmPtr> wait(const WaitCall& call);

 private:
  class Watch;

  const StoreReads& store_;
  const Sources sources_;
  WaitLimit limit_{64, "VMs"};
};

}  // namespace qarax::server
