// Which command is taken, and who hears when what came of it.
#include <algorithm>

#include "manager.hpp"
#include "qarax/core/logging.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {

// Not an end: the strand stays closed until the call returns, and its result is then stored and reported as usual.
Error still_running(const Command& command) {
  return make_error(Code::deadline_exceeded,
                    "VM " + command.vm + ": " + std::string(core::to_string(command.action)) +
                        " is still going on in the plugin, past its deadline",
                    "still-running");
}

Error stale(const Command& command, const std::string& why) {
  return make_error(Code::failed_precondition, "VM " + command.vm + " " + why, "stale-revision");
}

}  // namespace

// A VM that has no folder here: the answer, or nothing where the command is carried out: a start makes one, and what
// ends a VM looks for what may run of it all the same.
std::optional<CommandResult> Manager::judge_absent(const Command& asked) {
  const auto stone = tombstones_.read(asked.vm);
  if (stone && asked.revision < stone->revision)
    return CommandResult{reports_.report_missing(asked.vm),
                         stale(asked, "was deleted by revision " + std::to_string(stone->revision) + "; revision " +
                                          std::to_string(asked.revision) + " comes too late")};
  if (asked.action == core::Action::remove && stone) {
    auto report = reports_.report_missing(asked.vm);
    // Asked again, most often: the stone says so, and who waits for vms_mutex_ doesn't wait for the disk.
    const bool stands = stone->revision == asked.revision && stone->step == asked.step;
    if (auto written = stands ? Status(Ok{}) : tombstones_.write({asked.vm, asked.revision, asked.step}); !written)
      return CommandResult{report, std::move(written).error()};
    report.deleted = true;
    return CommandResult{report, Ok{}};
  }
  // Whether it was deleted must be known before it may run again.
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
  // In memory only: the VMM that may be there is of the incarnation that the server means.
  const bool may_be_there = overtakes(asked.action);
  auto vm = std::make_shared<Vm>(
      pool_, asked.vm, vms_dir_ + "/" + asked.vm, may_be_there ? asked.incarnation : 0,
      may_be_there ? status_with(VmState::unknown, kNoFolder) : status_with(VmState::shutdown, {}));
  vms_.emplace(asked.vm, vm);
  return vm;
}

// Its tombstone stands, so there is always an answer.
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
  {
    const std::lock_guard lock(vms_mutex_);
    if (closed_)
      return answer({{}, make_error(Code::unavailable, "the node agent is shutting down", "node-unreachable")});
    if (host_stops_ && asked.action == core::Action::start)
      return answer({reports_.report_missing(asked.vm),
                     make_error(Code::failed_precondition, "its host is being shut down; start the VM when it is back",
                                "host-stopping")});
    if (const auto found = vms_.find(asked.vm); found != vms_.end()) {
      vm = found->second;
    } else {
      if (auto judged = judge_absent(asked)) return answer(std::move(*judged));
      vm = make_absent(asked);
    }
  }

  bool overtake_now = false;
  const core::VmReport last = reports_.last(vm->known);
  {
    std::unique_lock lock(vm->admission_mutex);
    if (vm->dead) {
      lock.unlock();
      return answer(judge_deleted(asked));
    }
    if (asked.revision < vm->revision)
      return answer({last, stale(asked, "has seen revision " + std::to_string(vm->revision) + "; revision " +
                                            std::to_string(asked.revision) + " comes too late")});
    if (asked.revision == vm->revision) {
      for (const auto& [step, result] : vm->results)
        if (step == asked.step) return answer(result);
      for (const auto& other : vm->pending)
        if (other->command.revision == asked.revision && other->command.step == asked.step) {
          if (!other->join([operation](const CommandResult& result) { operation->answer(result); }))
            return answer({last, still_running(asked)});
          return other;
        }
    }
    if (vm->recovering && !overtakes(asked.action))
      return answer(
          {last,
           make_error(Code::unavailable,
                      "VM " + asked.vm +
                          " is still being recovered after the agent's restart; ask again, or force-stop or delete it",
                      "recovering")});
    if (asked.revision > vm->revision) {
      vm->revision = asked.revision;
      vm->results.clear();
    }
    // What an overtaking command makes pointless is told so at once.
    if (overtakes(asked.action) && !vm->pending.empty()) {
      for (const auto& other : vm->pending) other->cancel();
      overtake_now = true;
    }
    if (overtakes(asked.action) && vm->own_call != nullptr) vm->own_call->now();
    overtake_now = overtake_now || (overtakes(asked.action) && vm->strand->is_busy());
    // All of it before anybody sees the operation: a delete that abandons the VM may finish it at once.
    if (asked.deadline_ns != 0)
      operation->deadline =
          timers_.at(asked.deadline_ns + options_.grace_ms * 1'000'000, [this, vm, weak = std::weak_ptr(operation)] {
            if (const auto late = weak.lock()) missed_deadline(vm, late);
          });
    {
      const std::lock_guard idle(idle_mutex_);
      ++in_flight_;
    }
    vm->pending.push_back(operation);
  }
  enqueue_task(vm, [this, vm, operation] { return take_turn(vm, operation); });
  if (overtake_now) pool_.post([this, vm, operation] { overtake(vm, operation); });
  return operation;
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
  // Minutes may be left until then, and VMs come and go by the hundred.
  if (operation->deadline) timers_.forget(*operation->deadline);
  operation->answer(result);
  {
    const std::lock_guard lock(idle_mutex_);
    --in_flight_;
  }
  idle_.notify_all();
}

void Manager::shutdown(std::int64_t grace_ms) {
  std::vector<VmPtr> all;
  {
    const std::lock_guard lock(vms_mutex_);
    closed_ = true;
    for (const auto& [id, vm] : vms_) all.push_back(vm);
  }
  const auto is_idle_within = [&](std::int64_t ms) {
    std::unique_lock lock(idle_mutex_);
    return idle_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return in_flight_ == 0; });
  };
  if (is_idle_within(grace_ms)) return;
  for (const VmPtr& vm : all) {
    const std::lock_guard admission(vm->admission_mutex);
    for (const auto& operation : vm->pending) operation->cancel();
  }
  if (is_idle_within(500)) return;
  // A plugin's call that hangs keeps neither its caller nor the agent's end waiting; what it did shows at recovery.
  for (const VmPtr& vm : all) {
    std::vector<OperationPtr> left;
    {
      const std::lock_guard admission(vm->admission_mutex);
      left = vm->pending;
    }
    for (const auto& operation : left)
      operation->answer({reports_.last(vm->known),
                         make_error(Code::unavailable, "the node agent is shutting down", "node-unreachable")});
  }
}

}  // namespace qarax::agent
