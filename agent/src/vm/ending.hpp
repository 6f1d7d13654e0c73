// How a VMM is brought to its end, by its plugin or without it, and what is known of one that has ended. Private to the
// manager.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "driver_calls.hpp"
#include "own_calls.hpp"
#include "progress_feed.hpp"

namespace qarax::agent {

// All functions are called on the strand of the VM, without a lock. The constructor's references outlive the object,
// which outlives its calls.
class Ending {
 public:
  struct Limits {
    std::int64_t stop_timeout_ms;  // for a stop that names no timeout
    std::int64_t call_ms;          // of a plugin call that is made for no command
  };
  Ending(Drivers& drivers, ProcessService& processes, ProgressFeed& progress, OwnCalls& own_calls, Limits limits)
      : drivers_(drivers), processes_(processes), progress_(progress), own_calls_(own_calls), limits_(limits) {}

  // Ends the VMM for a stop, a force-stop or a delete. When it succeeds, nothing of the VM's incarnation runs. In mode
  // `force` it works without the plugin, the document and the folder. `timeout_ms`: instead of what the command's
  // document says.
  Result<VmStatus> stop(const std::shared_ptr<Vm>& vm, const Command& command, int cancel_fd, StopMode mode,
                        std::optional<std::int64_t> timeout_ms = std::nullopt);
  Result<std::int64_t> timeout_of_stop(const Command& command) const;  // ms; the error is of its document
  // The status of a VMM that is gone, in the plugin's words if the plugin can be asked.
  VmStatus ended_status(const std::shared_ptr<Vm>& vm);
  // Searches the host for the VM's processes where its folder doesn't name them: it is gone, or older than the start
  // that the command means (emptied, or put back from a copy). Does nothing otherwise.
  Status end_strays(const Vm& vm, const Command& command);

 private:
  Status end_what_lives(const Vm& vm, VmStatus& stopped);

  Drivers& drivers_;
  ProcessService& processes_;
  ProgressFeed& progress_;
  OwnCalls& own_calls_;
  const Limits limits_;
};

}  // namespace qarax::agent
