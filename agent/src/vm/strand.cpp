// A VM's strand: its commands one after the other, and what happens when one of them hangs.
#include <algorithm>
#include <utility>

#include "manager.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
// What a hung call gets to notice its cancel before the VMM is killed under it.
constexpr std::int64_t kOvertakeMs = 2000;
constexpr std::int64_t kKillMs = 10'000;
}  // namespace

Manager::VmPtr Manager::find(const std::string& id) {
  const std::lock_guard lock(vms_mutex_);
  const auto found = vms_.find(id);
  return found == vms_.end() ? nullptr : found->second;
}

void Manager::enqueue(const VmPtr& vm, std::function<void()> task) {
  enqueue_task(vm, [task = std::move(task)] {
    task();
    return Went::through;
  });
}

void Manager::enqueue_task(const VmPtr& vm, StrandTask task) {
  {
    const std::lock_guard lock(vm->strand_mutex);
    if (vm->dead) return;
    vm->tasks.push_back(std::move(task));
    if (vm->busy) return;
    vm->busy = true;
  }
  pool_.post([this, vm] { next_task(vm); });
}

void Manager::next_task(const VmPtr& vm) {
  for (;;) {
    StrandTask task;
    {
      const std::lock_guard lock(vm->strand_mutex);
      if (vm->dead) vm->tasks.clear();
      if (vm->tasks.empty()) {
        vm->busy = false;
        return;
      }
      task = std::move(vm->tasks.front());
      vm->tasks.pop_front();
    }
    if (guarded(vm, task) == Went::aside) return;
  }
}

// A border: what a task throws ends it and its command, never the strand.
Went Manager::guarded(const VmPtr& vm, const StrandTask& task) {
  std::string reason;
  try {
    return task();
  } catch (const std::exception& e) {
    reason = e.what();
  }
  core::logger("vm")->error("a task of the VM was broken off vm={} reason={}", vm->id, core::log_value(reason));
  OperationPtr running;
  {
    const std::lock_guard lock(vm->strand_mutex);
    running = std::exchange(vm->running, nullptr);
  }
  if (!running) return Went::through;
  hide_folder(reason, options_.data_dir);
  VmStatus status = status_with(
      VmState::unknown, "its " + std::string(core::to_string(running->command.action)) + " was broken off: " + reason);
  const core::VmReport report = reports_.record_outcome(vm->known, running->settled, vm->facts(status));
  finish(vm, running, {report, make_error(Code::internal, status.status_reason)});
  reports_.announce(vm->known, report);
  look_again(vm->id);
  return Went::through;
}

// A start waits for its turn to boot before it begins, and without a thread: there are as many as may hang in plugins,
// and starts come by the hundred.
Went Manager::take_turn(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  const bool boots = command.action == core::Action::start &&
                     core::judge(command.action, reports_.status_of(vm->known).state) == core::Verdict::proceed;
  if (boots) {
    if (auto turn = gate_.try_enter()) operation->turn.emplace(std::move(*turn));
  }
  if (!boots || operation->turn) {
    run(vm, operation);
    return Went::through;
  }
  gate_.enter({command.deadline_ns, operation->cancel_fd()}, [this, vm, operation](Result<BootGate::Turn> turn) {
    operation->turn.emplace(std::move(turn));
    pool_.post([this, vm, operation] {
      guarded(vm, [&] {
        run(vm, operation);
        return Went::through;
      });
      next_task(vm);
    });
  });
  return Went::aside;
}

void Manager::overtake(const VmPtr& vm, const OperationPtr& operation) {
  // The strand's call was cancelled. If it doesn't come back, what it works on is taken away from under it.
  {
    std::unique_lock strand(vm->strand_mutex);
    const auto reached = [&] {
      return vm->running == operation ||
             std::find(vm->pending.begin(), vm->pending.end(), operation) == vm->pending.end();
    };
    if (vm->moved.wait_for(strand, std::chrono::milliseconds(kOvertakeMs), reached)) return;
  }
  const auto log = core::logger("vm");
  log->warn("a plugin call hangs, killing the VMM under it vm={}", vm->id);
  if (const Status killed = processes_.kill_all(vm->id, CallLimits{}.within_ms(kKillMs)); !killed) {
    log->error("the VMM could not be killed vm={} reason={}", vm->id, core::log_value(killed.error().message));
    return;
  }
  if (operation->command.action == core::Action::remove) return abandon(vm, operation);
  {
    const std::lock_guard strand(vm->strand_mutex);
    if (vm->running) vm->running->killed = true;
    vm->recovering = false;  // as when the command's turn comes, which it has no need of any more
  }
  VmStatus status = status_with(VmState::shutdown, "killed while a plugin call hung");
  if (const auto report =
          reports_.publish_unless_settled(vm->known, operation->settled, vm->highest_revision(), status))
    finish(vm, operation, {*report, Ok{}});
}

// A delete whose VM's strand is closed by a call that doesn't return. Nothing of the VM runs any more: its folder goes,
// and whatever the call still says is said of nobody.
void Manager::abandon(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  if (auto written = write_tombstone(tombstones_dir_, {vm->id, command.revision, command.step}); !written)
    return finish(vm, operation, {reports_.last(vm->known), std::move(written).error()});
  // Before the call can come back and find the VM dead: it then removes the folder, too.
  log_unless(processes_.leftovers().disown(vm->id), kNotDisowned, vm->id);
  {
    const std::lock_guard strand(vm->strand_mutex);
    vm->dead = true;
  }
  log_unless(vm->folder.remove(), "a deleted VM's folder is left", vm->id);
  processes_.clean_up(vm->id, reports_.last(vm->known).incarnation);
  finish(vm, operation, {bury(vm, operation), Ok{}});
}

// Its tombstone stands: nothing is done for it any more, and whose command waits hears what anybody hears from now on.
core::VmReport Manager::bury(const VmPtr& vm, const OperationPtr& by) {
  std::vector<OperationPtr> others;
  std::deque<StrandTask> dropped;  // whoever waits for one of these hears it now, not when a hung call returns
  {
    const std::lock_guard strand(vm->strand_mutex);
    vm->dead = true;
    dropped.swap(vm->tasks);
    for (const auto& one : vm->pending)
      if (one != by) others.push_back(one);
  }
  {
    const std::lock_guard lock(vms_mutex_);
    vms_.erase(vm->id);
  }
  const core::VmReport report = reports_.publish_deleted(vm->known);
  for (const auto& one : others) {
    const bool before = by && one->command.revision <= by->command.revision;
    finish(vm, one,
           before ? CommandResult{report, make_error(Code::not_found, "VM " + vm->id + " was deleted meanwhile",
                                                     "vm-not-found")}
                  : judge_deleted(one->command));
  }
  return report;
}

}  // namespace qarax::agent
