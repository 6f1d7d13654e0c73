// HV-CANCEL, HV-DEADLINE, HV-CALL: what holds for every call, whatever its result.
#include <sys/eventfd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "rules.hpp"

namespace qarax::conformance {
namespace {

constexpr std::int64_t kLongMs = 20'000;  // time limit of a graceful stop that the rules don't wait out

std::int64_t ms_since(std::int64_t from_ns) { return (plugin::monotonic_ns() - from_ns) / 1'000'000; }
std::string took(const char* what, std::int64_t ms) {
  return std::string(what) + " took " + std::to_string(ms) + " ms";
}

// After a call was given up, its effect must be undone or owned: the VM can be inspected and ended.
Status still_endable(Agent& agent, Vm& vm) {
  const auto now = vm.inspect();
  if (!now) return broken("inspect after it failed: " + now.error().message);
  QARAX_CHECK(expect_state(vm.stop(StopMode::force), VmState::shutdown, "stop after it"));
  agent.clean_up(vm);
  return Ok{};
}

Status start_hears_cancel(Bench& bench) {
  const Bench::Body life = [](Agent& agent) -> Status {
    const core::Fd cancel(::eventfd(1, EFD_CLOEXEC));
    Vm vm = agent.vm();
    QARAX_TRY(const StartArgs args, vm.start_args());
    const std::int64_t from = plugin::monotonic_ns();
    const auto said = vm.call(&Hypervisor::start, args, {.cancel_fd = cancel.get()});
    QARAX_CHECK(expect(ms_since(from) < agent.at_once_ms() * 2, took("a start, cancelled already,", ms_since(from))));
    if (said) return still_endable(agent, vm);
    agent.clean_up(vm);
    return expect(said.error().code == Code::cancelled, "a cancelled start is " +
                                                            std::string(to_string(said.error().code)) +
                                                            ", not cancelled: " + said.error().message);
  };
  QARAX_CHECK(bench.agent(life));
  const auto left = bench.left();
  return expect(left.empty(), "a cancelled start leaves " + listed(left));
}

Status stop_hears_cancel(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const core::Fd cancel(::eventfd(0, EFD_CLOEXEC));
  std::int64_t cancelled_at = 0;
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::thread canceller([&] {
    std::unique_lock lock(mutex);
    ended.wait_for(lock, std::chrono::milliseconds(300), [&] { return done; });
    cancelled_at = plugin::monotonic_ns();
    ::eventfd_write(cancel.get(), 1);
  });
  const auto said = vm.stop(StopMode::graceful, kLongMs, {.cancel_fd = cancel.get()});
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  ended.notify_all();
  canceller.join();
  if (!said)
    QARAX_CHECK(expect(said.error().code == Code::cancelled, "a cancelled stop is " +
                                                                 std::string(to_string(said.error().code)) +
                                                                 ", not cancelled: " + said.error().message));
  QARAX_CHECK(expect(ms_since(cancelled_at) < agent.at_once_ms(),
                     took("a graceful stop, after it was cancelled,", ms_since(cancelled_at))));
  return still_endable(agent, vm);
}

Status stop_keeps_its_deadline(Agent& agent) {
  QARAX_TRY(Vm vm, agent.started());
  const std::int64_t from = plugin::monotonic_ns();
  const auto said = vm.stop(StopMode::graceful, kLongMs, {.within_ms = 300});
  QARAX_CHECK(expect(ms_since(from) < 300 + agent.at_once_ms(),
                     took("a graceful stop with a deadline of 300 ms", ms_since(from))));
  if (!said)
    QARAX_CHECK(expect(said.error().code == Code::deadline_exceeded,
                       "a stop past its deadline is " + std::string(to_string(said.error().code)) +
                           ", not deadline_exceeded: " + said.error().message));
  return still_endable(agent, vm);
}

Status start_keeps_its_deadline(Bench& bench) {
  constexpr std::int64_t kShortMs = 15;
  const Bench::Body life = [](Agent& agent) -> Status {
    Vm vm = agent.vm();
    QARAX_TRY(const StartArgs args, vm.start_args());
    const std::int64_t from = plugin::monotonic_ns();
    const auto said = vm.call(&Hypervisor::start, args, {.within_ms = kShortMs});
    QARAX_CHECK(expect(ms_since(from) < kShortMs + agent.at_once_ms() * 2,
                       took("a start with a deadline of 15 ms", ms_since(from))));
    if (said) return still_endable(agent, vm);
    agent.clean_up(vm);
    return expect(said.error().code == Code::deadline_exceeded, "a start past its deadline is " +
                                                                    std::string(to_string(said.error().code)) +
                                                                    ", not deadline_exceeded: " + said.error().message);
  };
  QARAX_CHECK(bench.agent(life));
  const auto left = bench.left();
  return expect(left.empty(), "a start past its deadline leaves " + listed(left));
}

// Holds a start in keep, as a slow disk of the host would; `meanwhile` must return during that.
Status during_a_start(Agent& agent, const char* what, const std::function<Status()>& meanwhile) {
  Vm held = agent.vm(1);
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false;
  bool release = false;
  Ask ask;
  ask.after_keep = [&](int nth) {
    if (nth != 1) return;
    std::unique_lock lock(mutex);
    inside = true;
    changed.notify_all();
    changed.wait_for(lock, std::chrono::milliseconds(agent.at_once_ms() * 3), [&] { return release; });
  };
  Result<VmStatus> started = VmStatus{};
  std::thread thread([&] {
    started = held.start(ask);
    const std::lock_guard lock(mutex);
    inside = true;
    changed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside; });
  }
  const std::int64_t from = plugin::monotonic_ns();
  const Status said = meanwhile();
  const std::int64_t ms = ms_since(from);
  {
    const std::lock_guard lock(mutex);
    release = true;
  }
  changed.notify_all();
  thread.join();
  QARAX_CHECK(expect_state(started, VmState::running, "the start that was under way"));
  QARAX_CHECK(said);
  return expect(ms < agent.at_once_ms() * 2, took(what, ms) + ", until a start that was under way had ended");
}

Status describes_meanwhile(Agent& agent) {
  return during_a_start(agent, "describe", [&]() -> Status {
    QARAX_CHECK(agent.plugin().describe(agent.vm(1).context({})));
    return Ok{};
  });
}

Status inspects_meanwhile(Agent& agent) {
  return during_a_start(agent, "inspect", [&]() -> Status {
    static_cast<void>(agent.vm(1).inspect());  // any answer will do, as the VM only half exists
    return Ok{};
  });
}

Status starts_another_meanwhile(Agent& agent) {
  QARAX_CHECK(during_a_start(agent, "the start of another VM", [&]() -> Status {
    Vm other = agent.vm(2);
    return expect_state(other.start(), VmState::running, "the start of a second VM");
  }));
  QARAX_CHECK(expect_state(agent.vm(2).stop(StopMode::force), VmState::shutdown, "the stop of the second VM"));
  return expect_state(agent.vm(1).inspect(), VmState::running, "inspect of the first VM, after the second's stop,");
}

}  // namespace

Rules call_rules() {
  return {
      {"HV-CANCEL-01", QARAX_HYPERVISOR_1, "a start that is cancelled comes back at once and leaves nothing", nullptr,
       start_hears_cancel},
      {"HV-CANCEL-02", QARAX_HYPERVISOR_1, "so does a graceful stop, and the VM can still be ended", stop_hears_cancel},
      {"HV-DEADLINE-01", QARAX_HYPERVISOR_1,
       "a graceful stop keeps the call's deadline, which comes before the guest's", stop_keeps_its_deadline},
      {"HV-DEADLINE-02", QARAX_HYPERVISOR_1, "a start keeps its deadline and leaves nothing", nullptr,
       start_keeps_its_deadline},
      {"HV-CALL-01", QARAX_HYPERVISOR_1, "describe comes back during a start", describes_meanwhile},
      {"HV-CALL-02", QARAX_HYPERVISOR_1, "inspect comes back during a start of the same VM", inspects_meanwhile},
      {"HV-CALL-03", QARAX_HYPERVISOR_1, "two VMs start in parallel, and one's stop doesn't touch the other",
       starts_another_meanwhile},
  };
}

}  // namespace qarax::conformance
