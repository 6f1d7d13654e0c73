// VMs that are nothing but a record: for tests of everything around a hypervisor, on hosts that can't run one. Nobody
// gets one without asking by name, and everything that it says of itself says "simulated".
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "qarax/plugin/hypervisor.hpp"
#include "timeline.hpp"

namespace qarax::simulator {

class Simulator final : public plugin::Hypervisor,
                        public plugin::CanPause,
                        public plugin::CanReboot,
                        public plugin::CanCounters {
 public:
  static constexpr std::string_view kConfigSchema = simulator::kConfigSchema;
  Simulator(plugin::Host& host, const CreateArgs& args);
  ~Simulator() override;
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  Result<Description> describe(plugin::Call& call) override;
  Result<VmSpec> resolve(plugin::Call& call, const ResolveArgs& args) override;
  Result<VmStatus> start(plugin::Call& call, const StartArgs& args) override;
  Result<VmStatus> stop(plugin::Call& call, const StopArgs& args) override;
  Result<VmStatus> inspect(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> recover(plugin::Call& call, const VmArgs& args) override;
  Result<VmStatus> pause(plugin::Call& call, const VmArgs& args) override {
    return become(call, args, VmState::paused);
  }
  Result<VmStatus> resume(plugin::Call& call, const VmArgs& args) override {
    return become(call, args, VmState::running);
  }
  Result<VmStatus> reboot(plugin::Call& call, const VmArgs& args) override {
    return become(call, args, VmState::running);
  }
  Result<Counters> counters(plugin::Call& call, const VmArgs& args) override;

 private:
  Result<Life> life_of(const VmArgs& args) const;
  Result<VmStatus> become(plugin::Call& call, const VmArgs& args, VmState state);
  Status wait(plugin::Call& call, std::int64_t ms) const;
  void schedule(const std::string& vm, const Life& life);
  void alarms();

  plugin::Host& host_;
  Behaviour behaviour_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<std::int64_t, std::string> ends_;  // when, VM
  bool stopping_ = false;
  std::thread thread_;  // tells the host when a VM has ended by itself
};

}  // namespace qarax::simulator
