// Takes and drops the snapshots of a VM; a restore is in starting.cpp. Private to the manager.
#pragma once

#include <string>

#include "driver_calls.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/documents.hpp"
#include "reports.hpp"

namespace qarax::agent {

// INVALID_ARGUMENT if the id isn't a UUID. It becomes the name of a folder.
Status check_snapshot_id(const std::string& id);

// All functions are called on the strand of the VM. The constructor's arguments outlive the object.
class Snapshots {
 public:
  // `data_dir`: the agent's folder, which texts that leave the host must not name.
  Snapshots(const ProcessService& processes, const Reports& reports, const core::Clock& clock, std::string data_dir)
      : processes_(processes), reports_(reports), clock_(clock), data_dir_(std::move(data_dir)) {}

  // A VM that ran before runs again afterwards, even if the snapshot failed. A failed snapshot leaves nothing behind.
  Result<VmStatus> take(const std::shared_ptr<Vm>& vm, const Command& command, Driver& driver, DriverCall call) const;
  Result<VmStatus> drop(const std::shared_ptr<Vm>& vm, const Command& command) const;
  // Resumes a VM that ran `before` and that the plugin has left paused, within `limit_ms`. Otherwise returns the status
  // as it is `now`.
  Result<VmStatus> go_on(const std::shared_ptr<Vm>& vm, Driver& driver, VmState before, const VmStatus& now,
                         std::int64_t limit_ms = kUndoMs) const;
  // Adds to `report` what is known of the snapshot that `document`, a SnapshotCommand, asked for.
  static void add_facts(const Vm& vm, const std::string& document, core::VmReport& report);

 private:
  const ProcessService& processes_;
  const Reports& reports_;
  const core::Clock& clock_;
  const std::string data_dir_;
};

}  // namespace qarax::agent
