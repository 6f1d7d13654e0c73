// The host is about to go down: its guests get the power button first.
#include <algorithm>
#include <condition_variable>
#include <set>

#include "manager.hpp"
#include "patience.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kLookAgainMs = 100;  // at a VM that is still being recovered

// The VMs that are still to be ended, and the sum of the results. Shared by the tasks, which may outlive stop_guests().
struct Tally {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> left;  // VMs
  HostShutdown sum;
};

// One VM's entry in the tally, ended by the destructor. A task that is dropped because its VM was deleted counts as
// done.
class Part {
 public:
  Part(std::shared_ptr<Tally> tally, std::string vm) : tally_(std::move(tally)), vm_(std::move(vm)) {}
  ~Part() {
    const std::lock_guard lock(tally_->mutex);
    tally_->left.erase(vm_);
    tally_->changed.notify_all();
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  void add(const HostShutdown& one) {
    const std::lock_guard lock(tally_->mutex);
    tally_->sum.powered_off += one.powered_off;
    tally_->sum.killed += one.killed;
    tally_->sum.failed += one.failed;
  }

 private:
  std::shared_ptr<Tally> tally_;
  std::string vm_;
};

}  // namespace

// A VM that can't be asked, or isn't recovered yet, is judged by its process.
bool Manager::may_run(const VmPtr& vm) {
  const VmState state = reports_.status_of(vm->known).state;
  if (state != VmState::unknown) return core::has_vmm(state);
  const auto process = processes_.find({vm->id, vm->document.incarnation});
  return process ? process->alive : process.error().code != Code::not_found;
}

// On the strand. This stop isn't a job of the server, which still wants the same of the VM, so it takes no revision.
HostShutdown Manager::stop_for_host(const VmPtr& vm, std::int64_t timeout_ms) {
  HostShutdown out;
  if (!may_run(vm)) return out;
  Command command;
  command.vm = vm->id;
  command.action = core::Action::stop;
  command.request_id = "host-shutdown";
  command.deadline_ns = plugin::monotonic_ns() + (timeout_ms + kKillMs) * 1'000'000;
  auto stopped = ending_.stop(vm, command, -1, StopMode::graceful, timeout_ms);
  if (!stopped) {
    core::logger("vm")->warn("the guest could not be asked to power off, its VMM is killed vm={} reason={}", vm->id,
                             core::log_value(stopped.error().message));
    stopped = ending_.stop(vm, command, -1, StopMode::force);
  }
  if (!stopped) {
    core::logger("vm")->error("the VM runs on into the host's shutdown vm={} reason={}", vm->id,
                              core::log_value(stopped.error().message));
    out.failed = 1;
    return out;
  }
  const bool in_time = stopped->exit && stopped->exit->kind == ExitKind::exited && stopped->exit->code == 0;
  (in_time ? out.powered_off : out.killed) = 1;
  VmStatus status = *stopped;
  status.status_reason = in_time ? "the host was shut down; the guest powered off in time"
                                 : "the host was shut down; the guest didn't power off in time and was killed";
  // The host caused this end, so it says nothing about what anybody wants of the VM.
  status.exit.reset();
  record_exit(vm, status, Outlives::host);
  reports_.publish(vm->known, vm->facts(status));
  return out;
}

// The host may go down right after the agent's start. A VM whose plugin is still being loaded, or whose VMM is too slow
// to answer yet, can't be asked to power off, and would be killed for that. One whose recovery has failed before may
// fail again, or be asked again too late, and its guest needs time to power off, too.
void Manager::once_recovered(const VmPtr& vm, std::int64_t stuck_until_ns, std::int64_t until_ns,
                             std::function<void()> then) {
  enqueue(vm, [this, vm, stuck_until_ns, until_ns, then = std::move(then)] {
    const std::int64_t now = plugin::monotonic_ns();
    bool waits = false;
    {
      const std::lock_guard lock(vm->admission_mutex);
      waits = vm->recovering && now < (vm->is_stuck ? stuck_until_ns : until_ns);
    }
    if (!waits || !(processes_.is_supervised(vm->id) || may_run(vm))) return then();
    timers_.in_ms(kLookAgainMs,
                  [this, vm, stuck_until_ns, until_ns, then] { once_recovered(vm, stuck_until_ns, until_ns, then); });
  });
}

// The time that `usual_ms` may take of a recovery. As the host goes down the guest needs a part of it to power off.
std::int64_t Manager::limit_of_recovery(std::int64_t usual_ms) const {
  const std::int64_t until_ns = guests_until_ns_;
  if (until_ns == 0) return usual_ms;
  return std::clamp<std::int64_t>((until_ns - plugin::monotonic_ns()) / 2'000'000, 0, usual_ms);
}

// On any thread, because the recovery holds the VM's strand.
void Manager::cancel_recovery(const VmPtr& vm) {
  const std::lock_guard lock(vm->admission_mutex);
  if (vm->recovering && vm->own_call != nullptr) vm->own_call->now();
}

HostShutdown Manager::stop_guests(std::int64_t timeout_ms) {
  const std::int64_t half_ns = CallLimits{}.within_ms(timeout_ms / 2).deadline_ns;
  const std::int64_t until_ns = CallLimits{}.within_ms(timeout_ms).deadline_ns;
  const auto tally = std::make_shared<Tally>();
  std::vector<VmPtr> all;
  guests_until_ns_ = until_ns;
  {
    const std::lock_guard lock(vms_mutex_);
    host_stops_ = true;
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  for (const VmPtr& vm : all) tally->left.insert(vm->id);
  for (const VmPtr& vm : all) {
    auto part = std::make_shared<Part>(tally, vm->id);
    once_recovered(vm, half_ns, until_ns, [this, vm, until_ns, part = std::move(part)] {
      const std::int64_t left_ns = until_ns - plugin::monotonic_ns();
      part->add(stop_for_host(vm, std::max<std::int64_t>(left_ns / 1'000'000, 0)));
    });
  }
  // A VMM may be silent for longer than the guests have time.
  timers_.at(half_ns, [this, all] {
    for (const VmPtr& vm : all) cancel_recovery(vm);
  });
  std::unique_lock lock(tally->mutex);
  const auto patience = std::chrono::milliseconds(timeout_ms + 2 * kKillMs);
  if (tally->changed.wait_for(lock, patience, [&] { return tally->left.empty(); })) return tally->sum;
  // The strands of these VMs are blocked by other calls. Their time is over like that of the others.
  HostShutdown sum = tally->sum;
  const auto held_up = tally->left;
  lock.unlock();
  for (const std::string& id : held_up) {
    const Status killed = processes_.kill_all(id, CallLimits{}.within_ms(kKillMs));
    ++(killed ? sum.killed : sum.failed);
    core::logger("vm")->warn("a call held the VM up at the host's shutdown, its VMM was killed vm={} killed={}", id,
                             static_cast<bool>(killed));
  }
  return sum;
}

}  // namespace qarax::agent
