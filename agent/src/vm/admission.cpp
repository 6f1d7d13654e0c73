// Which commands are taken, and when their callers are answered.
#include <algorithm>

#include "agents_end.hpp"
#include "manager.hpp"
#include "qarax/core/logging.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

// This answer is not the command's end: the strand is held up until the call returns, and the result is then stored and
// reported as usual.
Error still_running(const Command& command) {
  return make_error(Code::deadline_exceeded,
                    "VM " + command.vm + ": " + std::string(core::to_string(command.action)) +
                        " is still going on in the plugin, past its deadline",
                    "still-running");
}

Error stale(const Command& command, const std::string& why) {
  return make_error(Code::failed_precondition, "VM " + command.vm + " " + why, "stale-revision");
}

Error comes_too_late(const Command& command, const std::string& what_happened, std::int64_t revision) {
  return stale(command, what_happened + " revision " + std::to_string(revision) + "; revision " +
                            std::to_string(command.revision) + " comes too late");
}

Error host_stopping(const Command& command) {
  return make_error(
      Code::failed_precondition,
      "its host is being shut down; " + std::string(core::to_string(command.action)) + " the VM when it is back",
      "host-stopping");
}

Error still_recovering(const Command& command) {
  return make_error(
      Code::unavailable,
      "VM " + command.vm + " is still being recovered after the agent's restart; ask again, or force-stop or delete it",
      "recovering");
}

// The caller of these five holds the VM's admission_mutex.

// Answers a command that comes too late or was answered before. nullopt: it is neither.
std::optional<CommandResult> answer_from_memory(const Vm& vm, const Command& asked, const core::VmReport& last) {
  if (asked.revision < vm.revision) return CommandResult{last, comes_too_late(asked, "has seen", vm.revision)};
  if (asked.revision > vm.revision) return std::nullopt;
  for (const auto& [step, result] : vm.results)
    if (step == asked.step) return result;
  return std::nullopt;
}

// The operation that was taken for the same command and hasn't finished; null: there is none.
std::shared_ptr<Operation> same_under_way(const Vm& vm, const Command& asked) {
  for (const auto& other : vm.pending)
    if (other->command.revision == asked.revision && other->command.step == asked.step) return other;
  return nullptr;
}

// The command was cancelled before the VM was recovered, and that recovery may never come to its end: its job would
// wait for ever. nullopt: it wasn't, or the journal may still say what became of it.
std::optional<CommandResult> answer_cancelled(Vm& vm, const Command& asked, const core::VmReport& last) {
  if (vm.cancelled != asked.revision || overtakes(asked.action) || !vm.is_journal_read) return std::nullopt;
  const bool was_begun = vm.interrupted == asked.revision;
  if (was_begun && !(vm.is_stuck && last.status.state == VmState::unknown)) return std::nullopt;
  const std::string which = "the " + std::string(core::to_string(asked.action)) + " of VM " + asked.vm;
  CommandResult result{last, was_begun
                                 ? make_error(Code::aborted,
                                              "the node agent ended during " + which +
                                                  ", and what became of it can't be told: " + last.status.status_reason,
                                              "interrupted")
                                 : make_error(Code::cancelled, which + " was cancelled before it was begun")};
  // The recovery, which may be repeated, recognises the interrupted command by the VM's revision. Until that command is
  // settled, `cancelled` alone answers whoever asks for this one again.
  if (vm.interrupted && !was_begun) return result;
  // Who asks again hears the same, and a late copy of the command isn't carried out.
  if (asked.revision > vm.revision) {
    vm.revision = asked.revision;
    vm.results.clear();
  }
  vm.results.emplace_back(asked.step, result);
  return result;
}

// The VM takes only commands that overtake. After a recovery that gave up this holds of the interrupted command alone,
// until the VM's state is known: a refusal would tell its caller that it failed, and nobody knows.
bool must_wait(const Vm& vm, const Command& asked, const core::VmReport& last) {
  if (overtakes(asked.action)) return false;
  return vm.recovering || (vm.interrupted == asked.revision && last.status.state == VmState::unknown);
}

// Cancels everything that is under way, because the command that overtakes makes it pointless. False: nothing was.
bool cancel_all(const Vm& vm) {
  for (const auto& other : vm.pending) other->cancel();
  if (vm.own_call != nullptr) vm.own_call->now();
  return !vm.pending.empty() || vm.strand->is_busy();
}

}  // namespace

std::optional<CommandResult> Manager::judge_node(const Command& asked) {
  if (closed_) return CommandResult{{}, agent_is_ending()};
  // A VM that the node has is judged later: what became of its command before may be known.
  if (host_stops_ && core::begins(asked.action) && !vms_.contains(asked.vm))
    return CommandResult{reports_.report_missing(asked.vm), host_stopping(asked)};
  return std::nullopt;
}

// nullopt: a command for a VM without a folder is carried out. A start makes the folder, and a command that ends a VM
// looks for processes of it all the same.
std::optional<CommandResult> Manager::judge_absent(const Command& asked) {
  const auto stone = tombstones_.read(asked.vm);
  if (stone && asked.revision < stone->revision)
    return CommandResult{reports_.report_missing(asked.vm), comes_too_late(asked, "was deleted by", stone->revision)};
  if (asked.action == core::Action::remove && stone) {
    auto report = reports_.report_missing(asked.vm);
    // Most often the delete is asked for again. Nothing is written then, so that vms_mutex_ isn't held during a write.
    const bool stands = stone->revision == asked.revision && stone->step == asked.step;
    if (auto written = stands ? Status(Ok{}) : tombstones_.write({asked.vm, asked.revision, asked.step}); !written)
      return CommandResult{report, std::move(written).error()};
    report.deleted = true;
    return CommandResult{report, Ok{}};
  }
  // A VM whose tombstone can't be read may have been deleted, and must not run again.
  if (!stone && stone.error().code != Code::not_found && asked.action == core::Action::start)
    return CommandResult{reports_.report_missing(asked.vm), stone.error()};
  if (stone && asked.action == core::Action::start)
    return CommandResult{reports_.report_missing(asked.vm),
                         stale(asked, "was deleted on this node and can't be started again")};
  if (stone || (asked.action != core::Action::start && !overtakes(asked.action)))
    return CommandResult{reports_.report_missing(asked.vm),
                         make_error(Code::not_found, "VM " + asked.vm + " isn't on this node", "vm-not-found")};
  return std::nullopt;
}

Manager::VmPtr Manager::make_absent(const Command& asked) {
  // This VM is in memory only. A VMM that may be there is of the incarnation that the server means.
  const bool may_be_there = overtakes(asked.action);
  auto vm = std::make_shared<Vm>(
      pool_, asked.vm, vms_dir_ + "/" + asked.vm, may_be_there ? asked.incarnation : 0,
      may_be_there ? status_with(VmState::unknown, kNoFolder) : status_with(VmState::shutdown, {}));
  vms_.emplace(asked.vm, vm);
  return vm;
}

// A dead VM has a tombstone and is judged by it. The last answer is for a tombstone that can't be read.
CommandResult Manager::judge_deleted(const Command& asked) {
  const std::lock_guard lock(vms_mutex_);
  if (auto judged = judge_absent(asked)) return std::move(*judged);
  return {reports_.report_missing(asked.vm),
          make_error(Code::unavailable, "VM " + asked.vm + " is being deleted", "recovering")};
}

std::shared_ptr<CommandTicket> Manager::execute(Command command, std::function<void(CommandResult)> done) {
  auto operation = std::make_shared<Operation>(std::move(command), std::move(done));
  const Command& asked = operation->command;
  const auto answer = [&](CommandResult result) {
    pool_.post([operation, result = std::move(result)] { operation->answer(result); });
    return operation;
  };

  VmPtr vm;
  bool begins_too_late = false;
  {
    const std::lock_guard lock(vms_mutex_);
    begins_too_late = host_stops_ && core::begins(asked.action);
    if (auto judged = judge_node(asked)) return answer(std::move(*judged));
    if (const auto found = vms_.find(asked.vm); found != vms_.end()) {
      vm = found->second;
    } else {
      if (auto judged = judge_absent(asked)) return answer(std::move(*judged));
      vm = make_absent(asked);
    }
  }

  bool overtakes_something = false;
  const core::VmReport last = reports_.last(vm->known);
  {
    std::unique_lock lock(vm->admission_mutex);
    if (vm->dead) {
      lock.unlock();
      return answer(judge_deleted(asked));
    }
    if (auto known = answer_from_memory(*vm, asked, last)) return answer(std::move(*known));
    if (const OperationPtr same = same_under_way(*vm, asked)) {
      if (same->join([operation](const CommandResult& result) { operation->answer(result); })) return same;
      return answer({last, still_running(asked)});
    }
    if (auto cancelled = answer_cancelled(*vm, asked, last)) return answer(std::move(*cancelled));
    if (must_wait(*vm, asked, last)) return answer({last, still_recovering(asked)});
    // With the report: the server, which has lost sight of the VM since it sent this, takes no other from a node that
    // never took this revision.
    if (begins_too_late) return answer({last, host_stopping(asked)});
    overtakes_something = admit(vm, operation);
  }
  enqueue_turn(vm, operation);
  if (overtakes_something) pool_.post([this, vm, operation] { overtake(vm, operation); });
  return operation;
}

bool Manager::admit(const VmPtr& vm, const OperationPtr& operation) {
  const Command& command = operation->command;
  if (command.revision > vm->revision) {
    vm->revision = command.revision;
    vm->results.clear();
  }
  vm->interrupted.reset();  // by a later command, or by the same one, which is carried out after all
  const bool overtakes_something = overtakes(command.action) && cancel_all(*vm);
  // The operation is complete before another thread can see it: a delete that abandons the VM may finish it at once.
  if (command.deadline_ns != 0)
    operation->deadline =
        timers_.at(command.deadline_ns + options_.grace_ms * 1'000'000, [this, vm, weak = std::weak_ptr(operation)] {
          if (const auto late = weak.lock()) missed_deadline(vm, late);
        });
  in_flight_.one_more();
  vm->pending.push_back(operation);
  return overtakes_something;
}

bool Manager::take_up_again(const VmPtr& vm, Command command) {
  // Nobody waits for it yet. The server asks for the command again, and joins it.
  const auto operation = std::make_shared<Operation>(std::move(command), [](const CommandResult&) {});
  // Held so that shutdown() finds the command among the pending ones if it comes later.
  const std::lock_guard node(vms_mutex_);
  if (closed_) return false;
  const std::lock_guard lock(vm->admission_mutex);
  if (!vm->recovering || vm->dead || vm->revision != operation->command.revision) return false;
  vm->recovering = false;
  admit(vm, operation);
  // Enqueued before the lock is released, so that no other command comes first.
  enqueue_turn(vm, operation);
  return true;
}

bool Manager::cancel(const std::string& id, std::int64_t revision) {
  const VmPtr vm = find(id);
  if (!vm) return false;
  bool found = false;
  const std::lock_guard lock(vm->admission_mutex);
  for (const OperationPtr& operation : vm->pending) {
    if (operation->command.revision != revision) continue;
    operation->cancel();
    found = true;
  }
  // The server asks for the command again until the VM is recovered, so the Cancel has to be remembered until then.
  if (!found && (vm->recovering || vm->interrupted)) vm->cancelled = std::max(vm->cancelled, revision);
  return found;
}

void Manager::missed_deadline(const VmPtr& vm, const OperationPtr& operation) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (std::find(vm->pending.begin(), vm->pending.end(), operation) == vm->pending.end()) return;
  }
  Error error = still_running(operation->command);
  VmStatus status = status_with(VmState::unknown, error.message);
  if (const auto report =
          reports_.publish_unless_settled(vm->known, operation->settled, vm->highest_revision(), status))
    operation->answer({*report, std::move(error)});
}

void Manager::finish(const VmPtr& vm, const OperationPtr& operation, const CommandResult& result) {
  {
    const std::lock_guard lock(vm->admission_mutex);
    if (std::erase(vm->pending, operation) == 0) return;
    if (vm->revision == operation->command.revision) vm->results.emplace_back(operation->command.step, result);
  }
  vm->moved.notify_all();
  // A timer is forgotten early: minutes may be left until it fires, and VMs come and go by the hundred.
  if (operation->deadline) timers_.forget(*operation->deadline);
  operation->answer(result);
  in_flight_.one_less();
}

}  // namespace qarax::agent
