// One life of a node agent around the plugin, with the host services of qarax-node. It lives in a process of its own
// (Bench::agent) and ends with it; the VMs that it started run on, as under an agent that is killed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "place.hpp"
#include "qarax/core/plugin_host/plugin_host.hpp"
#include "rule.hpp"
#include "settings.hpp"
#include "trial_services.hpp"

namespace qarax::conformance {

using Hypervisor = core::LoadedHypervisor;

constexpr std::int64_t kCallMs = 60'000;

// What one call carries besides its arguments.
struct Ask {
  std::int64_t within_ms = kCallMs;
  int cancel_fd = -1;
  std::vector<int> fds{};
  std::function<void(int nth)> before_keep{};  // `nth` handle of this call, from 1; not on disk yet
  std::function<void(int nth)> after_keep{};   // the handle is on disk, the plugin doesn't know yet
};

// One VM from the agent's view: a folder, an incarnation and the last handle that was kept.
class Vm {
 public:
  Vm(Agent& agent, int number, std::int64_t incarnation);

  const std::string& id() const { return id_; }
  std::int64_t incarnation() const { return incarnation_; }
  const std::string& run_dir() const { return run_dir_; }
  // Arguments with the resolved spec, as the agent makes them before a first start; also creates the run folder.
  Result<StartArgs> start_args();
  VmArgs args() const;  // with the handle that is on disk
  std::string kept() const;
  void keep_instead(const std::string& handle);  // as if the plugin had kept this handle; "null": none
  // The VM's process as the host's process service reports it; nullopt if none was spawned.
  std::optional<Process> process() const;

  Result<VmStatus> start(const Ask& ask = {});
  Result<VmStatus> stop(StopMode mode, std::int64_t timeout_ms = 0, const Ask& ask = {});
  Result<VmStatus> inspect(const Ask& ask = {}) { return call(&Hypervisor::inspect, args(), ask); }
  Result<VmStatus> recover(const Ask& ask = {}) { return call(&Hypervisor::recover, args(), ask); }
  // Any other method: vm.call(&Hypervisor::pause), vm.call(&Hypervisor::resize, {.vm = vm.args(), …}).
  template <class R, class Args>
  Result<R> call(Result<R> (Hypervisor::*slot)(const core::CallContext&, const Args&), const Args& args,
                 const Ask& ask = {}) {
    return checked((plugin().*slot)(context(ask), args));
  }
  template <class R>
  Result<R> call(Result<R> (Hypervisor::*slot)(const core::CallContext&, const VmArgs&)) {
    return call(slot, args());
  }
  core::CallContext context(const Ask& ask);

 private:
  Hypervisor& plugin();
  // An offered interface that answers UNIMPLEMENTED gets an error text of its own.
  template <class R>
  static Result<R> checked(Result<R> result) {
    if (!result && result.error().code == Code::unimplemented)
      result.error().message.insert(0, "it offers the interface and answers UNIMPLEMENTED: ");
    return result;
  }

  Agent& agent_;
  std::string id_;
  std::int64_t incarnation_;
  std::string run_dir_;
  int kept_ = 0;
};

class Agent {
 public:
  Agent(const Settings& settings, const Place& place);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Loads the plugin through the node's handshake; may be called once. A refusal is an error that names the step.
  Status load(const RawJson& config);
  Status unload();  // destroys the instance; DEADLINE_EXCEEDED if that hangs
  const core::PluginRecord& record() const { return record_; }
  Hypervisor& plugin();

  // `number` is 1 to kVms and means the same VM in every agent of the rule.
  Vm vm(int number = 1, std::int64_t incarnation = 1) { return Vm(*this, number, incarnation); }
  Result<Vm> started(int number = 1);
  Result<Vm> ended();  // started and force-stopped
  // Ends this agent like kill -9.
  [[noreturn]] static void die();
  // Cleans up as an agent does when a VM has ended.
  void clean_up(const Vm& vm) { processes_->clean_up(vm.id(), vm.incarnation()); }

  const Settings& settings() const { return settings_; }
  const Place& place() const { return place_; }
  std::int64_t at_once_ms() const { return settings_.patience * std::int64_t{1000}; }
  agent::ProcessService& processes() { return *processes_; }
  TrialServices& services() { return *services_; }

 private:
  const Settings& settings_;
  const Place& place_;
  std::unique_ptr<agent::ProcessService> processes_;
  std::unique_ptr<agent::PluginServices> agent_services_;
  std::unique_ptr<TrialServices> services_;
  std::unique_ptr<core::PluginHost> host_;
  core::PluginRecord record_;
};

}  // namespace qarax::conformance
