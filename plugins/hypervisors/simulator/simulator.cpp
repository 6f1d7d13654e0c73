#include "simulator.hpp"

#include <fstream>
#include <stdexcept>

namespace qarax::simulator {

namespace {

Behaviour parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto behaviour = decode<Behaviour>(std::string_view(args.config.text));
  if (!behaviour) throw std::invalid_argument(behaviour.error().message);
  return *behaviour;
}

}  // namespace

Simulator::Simulator(plugin::Host& host, const CreateArgs& args)
    : host_(host), behaviour_(parse(args)), thread_([this] { alarms(); }) {}

Simulator::~Simulator() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<Description> Simulator::describe(plugin::Call&) {
  Description out;
  out.vmm_version = "simulated";
  out.accelerator = "simulated";
  out.accelerator_evidence = "no guest runs: VMs of this plugin are records";
  out.features = {"simulated", "pause", "reboot", "counters"};
  out.boot_modes = {"simulated"};
  out.options_schema.text = kConfigSchema;
  return out;
}

Result<VmSpec> Simulator::resolve(plugin::Call&, const ResolveArgs& args) {
  QARAX_CHECK(behaviour_of(behaviour_, args.spec));
  return args.spec;
}

// A delay that a real VMM would have: ends early with the call's deadline or cancel.
Status Simulator::wait(plugin::Call& call, std::int64_t ms) const {
  const std::int64_t until = plugin::monotonic_ns() + ms * 1'000'000;
  while (plugin::monotonic_ns() < until) {
    if (call.expired())
      return make_error(Code::deadline_exceeded, "the simulated delay is longer than the call's deadline");
    pollfd cancel{call.cancel_fd(), POLLIN, 0};
    const auto left = static_cast<int>((until - plugin::monotonic_ns() + 999'999) / 1'000'000);
    if (::poll(&cancel, call.cancel_fd() >= 0 ? 1 : 0, call.remaining_ms(left < 0 ? 0 : left)) > 0)
      return make_error(Code::cancelled, "the call was cancelled during a simulated delay");
  }
  return Ok{};
}

Result<VmStatus> Simulator::start(plugin::Call& call, const StartArgs& args) {
  QARAX_TRY(const Behaviour behaviour, behaviour_of(behaviour_, args.spec));
  QARAX_CHECK(wait(call, behaviour.start_delay_ms));
  if (start_fails(behaviour, args.vm, args.incarnation))
    return make_error(
        Code::internal,
        "simulated failure of a start (failure_percent " + std::to_string(behaviour.failure_percent) + ")",
        "vmm-failed");
  Life life;
  life.started_ns = plugin::monotonic_ns();
  if (const std::int64_t delay = exit_delay_ns(behaviour, args.vm, args.incarnation); delay != 0)
    life.ends_ns = life.started_ns + delay;
  QARAX_CHECK(call.keep(encode(life, Defaults::write)));
  // So that whoever reads the console sees what it is.
  std::ofstream(args.run_dir + "/console.log", std::ios::app) << "simulated VM " << args.vm << ": no guest runs\n";
  schedule(args.vm, life);
  return status_at(life, plugin::monotonic_ns());
}

Result<Life> Simulator::life_of(const VmArgs& args) const {
  auto life = decode<Life>(std::string_view(args.handle.text), Unknown::ignore);
  if (!life || !life->simulated)
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the simulator");
  if (life->format > 1)
    return make_error(Code::failed_precondition,
                      "VM " + args.vm + " was started by a newer simulator; upgrade this one");
  return life;
}

Result<VmStatus> Simulator::become(plugin::Call& call, const VmArgs& args, VmState state) {
  QARAX_TRY(Life life, life_of(args));
  QARAX_CHECK(wait(call, behaviour_.action_delay_ms));
  const VmStatus now = status_at(life, plugin::monotonic_ns());
  if (now.state == VmState::shutdown)
    return make_error(Code::failed_precondition, "VM " + args.vm + " has ended: " + now.status_reason);
  life.state = state;
  QARAX_CHECK(call.keep(encode(life, Defaults::write)));
  return status_at(life, plugin::monotonic_ns());
}

Result<VmStatus> Simulator::stop(plugin::Call& call, const StopArgs& args) {
  Life life;
  if (auto kept = life_of(args.vm)) life = *kept;
  if (args.mode == StopMode::graceful) QARAX_CHECK(wait(call, behaviour_.stop_delay_ms));
  const VmStatus now = status_at(life, plugin::monotonic_ns());
  if (now.state == VmState::shutdown) return now;
  life.state = VmState::shutdown;
  life.ended_ns = plugin::monotonic_ns();
  QARAX_CHECK(call.keep(encode(life, Defaults::write)));
  return status_at(life, plugin::monotonic_ns());
}

Result<VmStatus> Simulator::inspect(plugin::Call&, const VmArgs& args) {
  QARAX_TRY(const Life life, life_of(args));
  return status_at(life, plugin::monotonic_ns());
}

Result<VmStatus> Simulator::recover(plugin::Call&, const VmArgs& args) {
  if (args.handle.text == "null") {
    Life never;
    never.state = VmState::shutdown;
    VmStatus status = status_at(never, 0);
    status.status_reason = "simulated: its start was interrupted";
    return status;
  }
  QARAX_TRY(const Life life, life_of(args));
  schedule(args.vm, life);
  return status_at(life, plugin::monotonic_ns());
}

Result<Counters> Simulator::counters(plugin::Call&, const VmArgs& args) {
  QARAX_TRY(const Life life, life_of(args));
  Counters out;
  out.counters.push_back({"simulated.uptime", plugin::monotonic_ns() - life.started_ns, "ns"});
  return out;
}

void Simulator::schedule(const std::string& vm, const Life& life) {
  if (life.ends_ns == 0 || life.state == VmState::shutdown) return;
  {
    const std::lock_guard lock(mutex_);
    ends_.emplace(life.ends_ns, vm);
  }
  changed_.notify_all();
}

void Simulator::alarms() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (ends_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const std::int64_t left = ends_.begin()->first - plugin::monotonic_ns();
    if (left > 0) {
      changed_.wait_for(lock, std::chrono::nanoseconds(left));
      continue;
    }
    const std::string vm = ends_.begin()->second;
    ends_.erase(ends_.begin());
    lock.unlock();
    host_.notify(vm);
    lock.lock();
  }
}

}  // namespace qarax::simulator
