// Admission and order: which command runs when, and what its caller hears if the plugin hangs.
#include <sys/eventfd.h>

#include <algorithm>

#include "manager.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kOvertakeMs =
    2000;  // what a hung call gets to notice its cancel before the VMM is killed under it

bool overtakes(core::Action action) { return action == core::Action::force_stop || action == core::Action::remove; }
}  // namespace

Operation::Operation(Command the_command, std::function<void(CommandResult)> done)
    : command(std::move(the_command)), cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  waiting_.push_back(std::move(done));
}

void Operation::cancel() { ::eventfd_write(cancel_.get(), 1); }

bool Operation::join(std::function<void(CommandResult)> done) {
  const std::lock_guard lock(mutex_);
  if (answered_) return false;
  waiting_.push_back(std::move(done));
  return true;
}

bool Operation::answer(const CommandResult& result) {
  std::vector<std::function<void(CommandResult)>> callers;
  {
    const std::lock_guard lock(mutex_);
    if (answered_) return false;
    answered_ = true;
    callers.swap(waiting_);
  }
  for (const auto& caller : callers) caller(result);
  return true;
}

Manager::VmPtr Manager::find(const std::string& id) {
  const std::lock_guard lock(vms_mutex_);
  const auto found = vms_.find(id);
  return found == vms_.end() ? nullptr : found->second;
}

std::shared_ptr<CommandTicket> Manager::execute(Command command, std::function<void(CommandResult)> done) {
  auto operation = std::make_shared<Operation>(std::move(command), std::move(done));
  const Command& asked = operation->command;
  const auto refuse = [&](const core::VmReport& report, Error error) {
    pool_.post([operation, result = CommandResult{report, std::move(error)}] { operation->answer(result); });
    return operation;
  };

  VmPtr vm;
  {
    const std::lock_guard lock(vms_mutex_);
    if (closed_)
      return refuse({}, make_error(Code::unavailable, "the node agent is shutting down", "node-unreachable"));
    const auto found = vms_.find(asked.vm);
    if (found != vms_.end()) {
      vm = found->second;
    } else {
      const auto stone = read_tombstone(tombstones_dir_, asked.vm);
      if (stone && asked.revision < stone->revision)
        return refuse(unknown_vm(asked.vm),
                      make_error(Code::failed_precondition,
                                 "VM " + asked.vm + " was deleted by revision " + std::to_string(stone->revision) +
                                     "; revision " + std::to_string(asked.revision) + " comes too late",
                                 "stale-revision"));
      if (asked.action == core::Action::remove) {
        auto report = unknown_vm(asked.vm);
        if (auto written = write_tombstone(tombstones_dir_, {asked.vm, asked.revision, asked.step}); !written)
          return refuse(report, std::move(written).error());
        report.deleted = true;
        return refuse(report, Error{Code::ok, {}, {}, {}, false, 0, {}, {}});
      }
      if (asked.action != core::Action::start)
        return refuse(unknown_vm(asked.vm),
                      make_error(Code::not_found, "VM " + asked.vm + " isn't on this node", "vm-not-found"));
      if (stone)
        return refuse(
            unknown_vm(asked.vm),
            make_error(Code::failed_precondition,
                       "VM " + asked.vm + " was deleted on this node and can't be started again", "stale-revision"));
      vm = std::make_shared<Vm>(asked.vm, vms_dir_ + "/" + asked.vm);
      vms_.emplace(asked.vm, vm);
      const std::lock_guard order(order_mutex_);
      vm->report = {};
      vm->report.vm = asked.vm;
      vm->report.status.state = VmState::shutdown;
    }
  }

  bool overtake_now = false;
  const core::VmReport last = last_report(vm);
  {
    const std::lock_guard lock(vm->strand_mutex);
    if (asked.revision < vm->revision)
      return refuse(last, make_error(Code::failed_precondition,
                                     "VM " + asked.vm + " has seen revision " + std::to_string(vm->revision) +
                                         "; revision " + std::to_string(asked.revision) + " comes too late",
                                     "stale-revision"));
    if (asked.revision == vm->revision) {
      for (const auto& [step, result] : vm->results)
        if (step == asked.step) return refuse(result.report, result.error);
      for (const auto& other : vm->pending)
        if (other->command.revision == asked.revision && other->command.step == asked.step) {
          auto joined = std::make_shared<Operation>(asked, [](const CommandResult&) {});
          other->join([operation](const CommandResult& result) { operation->answer(result); });
          return joined;
        }
    }
    if (vm->recovering && !overtakes(asked.action))
      return refuse(
          last,
          make_error(Code::unavailable,
                     "VM " + asked.vm +
                         " is still being recovered after the agent's restart; ask again, or force-stop or delete it",
                     "recovering"));
    if (asked.revision > vm->revision) {
      vm->revision = asked.revision;
      vm->results.clear();
    }
    // What an overtaking command makes pointless is told so at once.
    if (overtakes(asked.action) && !vm->pending.empty()) {
      for (const auto& other : vm->pending) other->cancel();
      overtake_now = true;
    }
    overtake_now = overtake_now || (overtakes(asked.action) && vm->busy);
    vm->pending.push_back(operation);
  }
  in_flight_.fetch_add(1);
  enqueue(vm, [this, vm, operation] { run(vm, operation); });
  if (overtake_now) pool_.post([this, vm, operation] { overtake(vm, operation); });
  watch_deadline(vm, operation);
  return operation;
}

void Manager::enqueue(const VmPtr& vm, std::function<void()> task) {
  {
    const std::lock_guard lock(vm->strand_mutex);
    vm->tasks.push_back(std::move(task));
    if (vm->busy) return;
    vm->busy = true;
  }
  pool_.post([this, vm] { next_task(vm); });
}

void Manager::next_task(const VmPtr& vm) {
  for (;;) {
    std::function<void()> task;
    {
      const std::lock_guard lock(vm->strand_mutex);
      if (vm->tasks.empty()) {
        vm->busy = false;
        return;
      }
      task = std::move(vm->tasks.front());
      vm->tasks.pop_front();
    }
    task();
  }
}

void Manager::overtake(const VmPtr& vm, const OperationPtr& operation) {
  // The strand's call was cancelled. If it doesn't come back, what it works on is taken away from under it.
  const std::int64_t until = plugin::monotonic_ns() + kOvertakeMs * 1'000'000;
  std::unique_lock lock(idle_mutex_);
  const auto reached = [&] {
    const std::lock_guard strand(vm->strand_mutex);
    return vm->running == operation ||
           std::find(vm->pending.begin(), vm->pending.end(), operation) == vm->pending.end();
  };
  while (plugin::monotonic_ns() < until && !reached()) idle_.wait_for(lock, std::chrono::milliseconds(20));
  lock.unlock();
  if (reached()) return;
  core::logger("vm")->warn("a plugin call hangs, killing the VMM under it vm={}", vm->id);
  std::int64_t incarnation = 0;
  {
    const std::lock_guard order(order_mutex_);
    incarnation = vm->report.incarnation;
  }
  const Status killed = processes_.kill({vm->id, incarnation}, CallLimits{}.within_ms(10'000));
  if (killed && operation->command.action == core::Action::force_stop) {
    VmStatus status;
    status.state = VmState::shutdown;
    status.status_reason = "killed while a plugin call hung";
    finish(vm, operation, {publish_state(vm, status), Error{Code::ok, {}, {}, {}, false, 0, {}, {}}});
  }
}

void Manager::watch_deadline(const VmPtr& vm, const OperationPtr& operation) {
  if (operation->command.deadline_ns == 0) return;
  {
    const std::lock_guard lock(deadline_mutex_);
    deadlines_.emplace(operation->command.deadline_ns + options_.grace_ms * 1'000'000,
                       std::pair{vm, std::weak_ptr(operation)});
  }
  deadline_changed_.notify_all();
}

void Manager::deadlines() {
  std::unique_lock lock(deadline_mutex_);
  while (!stopping_) {
    if (deadlines_.empty()) {
      deadline_changed_.wait(lock);
      continue;
    }
    const std::int64_t left = deadlines_.begin()->first - plugin::monotonic_ns();
    if (left > 0) {
      deadline_changed_.wait_for(lock, std::chrono::nanoseconds(left));
      continue;
    }
    const auto [vm, weak] = std::move(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    lock.unlock();
    if (const auto operation = weak.lock()) {
      // The strand stays closed until the call returns; its result is then stored and reported as usual.
      VmStatus status;
      status.state = VmState::unknown;
      status.status_reason = std::string(core::to_string(operation->command.action)) +
                             " is still going on in the plugin, past its deadline";
      bool late = false;
      {
        const std::lock_guard strand(vm->strand_mutex);
        late = std::find(vm->pending.begin(), vm->pending.end(), operation) != vm->pending.end();
      }
      if (late)
        operation->answer({publish_state(vm, status),
                           make_error(Code::deadline_exceeded, "VM " + vm->id + ": " + status.status_reason)});
    }
    lock.lock();
  }
}

void Manager::finish(const VmPtr& vm, const OperationPtr& operation, const CommandResult& result) {
  {
    const std::lock_guard lock(vm->strand_mutex);
    if (std::erase(vm->pending, operation) == 0) return;
    if (vm->revision == operation->command.revision) vm->results.emplace_back(operation->command.step, result);
  }
  operation->answer(result);
  in_flight_.fetch_sub(1);
  idle_.notify_all();
}

void Manager::shutdown(std::int64_t grace_ms) {
  {
    const std::lock_guard lock(vms_mutex_);
    closed_ = true;
  }
  std::unique_lock lock(idle_mutex_);
  const auto done = [&] { return in_flight_.load() == 0; };
  if (!idle_.wait_for(lock, std::chrono::milliseconds(grace_ms), done)) {
    const std::lock_guard vms(vms_mutex_);
    for (const auto& [id, vm] : vms_) {
      const std::lock_guard strand(vm->strand_mutex);
      for (const auto& operation : vm->pending) operation->cancel();
    }
  }
  idle_.wait_for(lock, std::chrono::milliseconds(500), done);
}

}  // namespace qarax::agent
