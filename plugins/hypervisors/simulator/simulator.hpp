// VMs that are only a record, for tests of everything around a hypervisor on hosts that can't run one. A VM gets this
// hypervisor only if it is asked for by name, or on a node that has no other, and everything it reports says
// "simulated".
#pragma once

#include <memory>
#include <string>

#include "alarms.hpp"
#include "clock.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "timeline.hpp"

namespace qarax::simulator {

class Simulator final : public plugin::Hypervisor,
                        public plugin::CanPause,
                        public plugin::CanReboot,
                        public plugin::CanResize,
                        public plugin::CanSnapshot,
                        public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = simulator::kConfigSchema;
  Simulator(plugin::Host& host, const CreateArgs& args, std::unique_ptr<Clock> clock = std::make_unique<SystemClock>());

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> resize(plugin::Call& call, const ResizeArgs& args) override;
  Result<VmStatus> snapshot(plugin::Call& call, const SnapshotArgs& args) override;
  Result<VmStatus> restore(plugin::Call& call, const StartArgs& args) override;
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;

 private:
  VmStatus status_of(const Life& life) const { return status_at(life, boot_id_, clock_->now_ns()); }
  // Reads the VM for an action on it, after the action delay: FAILED_PRECONDITION if it has ended, "vmm-failed" if the
  // seed lets the action fail.
  Result<Life> act_on(plugin::Call& call, const VmArgs& args, const char* action);
  // Draws whether the action fails, and records the draw in `life`.
  Status draw(Life& life, const VmArgs& args, const char* action) const;
  // Makes `life` the VM's new state: writes the record and a console line, sets the alarm.
  Result<VmStatus> become(const Life& life, const std::string& vm, const std::string& run_dir, const char* what);

  plugin::Host& host_;
  const Behaviour behaviour_;
  const std::string boot_id_;
  std::unique_ptr<Clock> clock_;
  Alarms alarms_;  // declared last: its thread uses the host
};

}  // namespace qarax::simulator
