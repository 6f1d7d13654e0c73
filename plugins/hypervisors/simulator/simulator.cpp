#include "simulator.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "life_file.hpp"

namespace qarax::simulator {

namespace {

Behaviour parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto behaviour = decode<Behaviour>(std::string_view(args.config.text));
  if (!behaviour) throw std::invalid_argument(behaviour.error().message);
  return *behaviour;
}

std::string read_boot_id() {
  std::string out;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> out;
  return out;
}

std::string folder_of(const plugin::Call& call) { return "/proc/self/fd/" + std::to_string(call.fd(0)); }

Error failure_of(const char* action, const Behaviour& behaviour) {
  return make_error(Code::internal,
                    "simulated failure of a " + std::string(action) + " (action_failure_percent " +
                        std::to_string(behaviour.action_failure_percent) + ")",
                    "vmm-failed");
}

VmStatus never_ran(const char* reason) {
  Life none;
  none.state = VmState::shutdown;
  VmStatus status = status_at(none, {}, 0);
  status.status_reason = reason;
  return status;
}

}  // namespace

Simulator::Simulator(plugin::Host& host, const CreateArgs& args, std::unique_ptr<Clock> clock)
    : host_(host),
      behaviour_(parse(args)),
      boot_id_(read_boot_id()),
      clock_(std::move(clock)),
      alarms_(*clock_, [this](const std::string& vm) { host_.notify(vm); }) {}

Result<Description> Simulator::describe(plugin::Call&) {
  Description out;
  out.vmm_version = "simulated";
  out.accelerator = "simulated";
  out.accelerator_evidence = "no guest runs: VMs of this plugin are records";
  out.features = {"simulated", "pause", "reboot", "resize", "snapshot", "counters"};
  out.boot_modes = {"simulated"};
  out.options_schema.text = kConfigSchema;
  return out;
}

Result<VmSpec> Simulator::resolve(plugin::Call&, const ResolveArgs& args) {
  QARAX_CHECK(behaviour_of(behaviour_, args.spec));
  return args.spec;
}

Result<VmStatus> Simulator::start(plugin::Call& call, const StartArgs& args) {
  QARAX_TRY(const Behaviour behaviour, behaviour_of(behaviour_, args.spec));
  if (const auto there = read_life(args.run_dir); there && !has_ended(*there, clock_->now_ns()))
    return status_of(*there);
  QARAX_CHECK(call.keep(make_handle()));
  QARAX_CHECK(clock_->delay(call, behaviour.start_delay_ms));
  if (start_fails(behaviour, args.vm, args.incarnation))
    return make_error(
        Code::internal,
        "simulated failure of a start (failure_percent " + std::to_string(behaviour.failure_percent) + ")",
        "vmm-failed");
  return become(begin(args, behaviour, boot_id_, clock_->now_ns()), args.vm, args.run_dir, "started, no guest runs");
}

Result<VmStatus> Simulator::become(const Life& life, const std::string& vm, const std::string& run_dir,
                                   const char* what) {
  QARAX_CHECK(write_life(run_dir, life));
  // The console shows that the VM is simulated.
  std::ofstream(run_dir + "/console.log", std::ios::app) << "simulated VM " << vm << ": " << what << '\n';
  alarms_.set(vm, life.state == VmState::running ? life.ends_ns : 0);
  return status_of(life);
}

Status Simulator::draw(Life& life, const VmArgs& args, const char* action) const {
  if (life.behaviour.action_failure_percent == 0) return Ok{};
  ++life.asked;
  QARAX_CHECK(write_life(args.run_dir, life));
  if (action_fails(life.behaviour, args.vm, args.incarnation, action, life.asked))
    return failure_of(action, life.behaviour);
  return Ok{};
}

Result<Life> Simulator::act_on(plugin::Call& call, const VmArgs& args, const char* action) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(Life life, read_life(args.run_dir));
  QARAX_CHECK(clock_->delay(call, life.behaviour.action_delay_ms));
  if (const VmStatus now = status_of(life); now.state == VmState::shutdown)
    return make_error(Code::failed_precondition, "VM " + args.vm + " has ended: " + now.status_reason);
  QARAX_CHECK(draw(life, args, action));
  return life;
}

Result<VmStatus> Simulator::pause(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(Life life, act_on(call, args, "pause"));
  if (life.state == VmState::paused) return status_of(life);
  simulator::pause(life, clock_->now_ns());
  return become(life, args.vm, args.run_dir, "paused");
}

Result<VmStatus> Simulator::resume(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(Life life, act_on(call, args, "resume"));
  if (life.state == VmState::running) return status_of(life);
  simulator::resume(life, clock_->now_ns());
  return become(life, args.vm, args.run_dir, "resumed");
}

Result<VmStatus> Simulator::reboot(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(Life life, act_on(call, args, "reboot"));
  ++life.reboots;
  return become(life, args.vm, args.run_dir, "rebooted");
}

Result<VmStatus> Simulator::resize(plugin::Call& call, const ResizeArgs& args) {
  QARAX_TRY(Life life, act_on(call, args.vm, "resize"));
  QARAX_CHECK(simulator::resize(life, args));
  return become(life, args.vm.vm, args.vm.run_dir, "resized");
}

Result<VmStatus> Simulator::snapshot(plugin::Call& call, const SnapshotArgs& args) {
  QARAX_TRY(Life life, act_on(call, args.vm, "snapshot"));
  // Freeze the VM's time like a real VM's memory: the time until a restore doesn't count.
  simulator::pause(life, clock_->now_ns());
  life.started_ns = -uptime_ns(life, clock_->now_ns());
  QARAX_CHECK(write_life(folder_of(call), life));
  return inspect(call, args.vm);
}

Result<VmStatus> Simulator::restore(plugin::Call& call, const StartArgs& args) {
  if (const auto there = read_life(args.run_dir); there && !has_ended(*there, clock_->now_ns()))
    return status_of(*there);
  QARAX_TRY(Life life, read_life(folder_of(call)));
  QARAX_CHECK(call.keep(make_handle()));
  QARAX_CHECK(clock_->delay(call, life.behaviour.start_delay_ms));
  if (action_fails(life.behaviour, args.vm, args.incarnation, "restore", 1))
    return failure_of("restore", life.behaviour);
  life.boot_id = boot_id_;
  life.started_ns += clock_->now_ns();
  simulator::resume(life, clock_->now_ns());
  return become(life, args.vm, args.run_dir, "restored, no guest runs");
}

Result<VmStatus> Simulator::stop(plugin::Call& call, const StopArgs& args) {
  // After a failed start there is no handle, and nothing runs.
  if (args.vm.handle.text != "null") QARAX_CHECK(check_handle(args.vm));
  auto life = read_life(args.vm.run_dir);
  if (!life && life.error().code == Code::not_found) return never_ran("simulated: stopped");
  // An unreadable record must not keep the VM forever: a forced stop works without it.
  if (!life && args.mode != StopMode::force) return std::move(life).error();
  Life last = life ? std::move(*life) : Life{};
  if (life) {
    if (args.mode == StopMode::graceful && !has_ended(last, clock_->now_ns()) && last.state == VmState::running)
      QARAX_CHECK(clock_->delay(call, std::min(last.behaviour.stop_delay_ms, args.timeout_ms)));
    if (const VmStatus now = status_of(last); now.state == VmState::shutdown) return now;
    if (args.mode == StopMode::graceful) QARAX_CHECK(draw(last, args.vm, "stop"));
  }
  last.state = VmState::shutdown;
  last.ended_ns = clock_->now_ns();
  return become(last, args.vm.vm, args.vm.run_dir, "stopped");
}

Result<VmStatus> Simulator::inspect(plugin::Call&, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  auto life = read_life(args.run_dir);
  if (!life && life.error().code == Code::not_found) return never_ran("simulated: nothing runs");
  if (!life) return std::move(life).error();
  return status_of(*life);
}

Result<VmStatus> Simulator::recover(plugin::Call&, const VmArgs& args) {
  const bool kept = args.handle.text != "null";
  if (kept) QARAX_CHECK(check_handle(args));
  auto life = read_life(args.run_dir);
  if (!life && life.error().code != Code::not_found) return std::move(life).error();
  if (!kept || !life) {
    remove_life(args.run_dir);
    return never_ran("simulated: its start was interrupted and undone");
  }
  const VmStatus status = status_of(*life);
  if (status.state == VmState::running) alarms_.set(args.vm, life->ends_ns);
  return status;
}

Result<Counters> Simulator::counters(plugin::Call&, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(const Life life, read_life(args.run_dir));
  Counters out;
  out.counters.push_back({"simulated.uptime", uptime_ns(life, clock_->now_ns()), "ns"});
  out.counters.push_back({"simulated.reboots", life.reboots, "count"});
  return out;
}

}  // namespace qarax::simulator
