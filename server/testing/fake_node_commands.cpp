// How the fake node handles commands.
#include <utility>

#include "fake_node.hpp"

namespace qarax::server {

FakeNode::Answer FakeNode::carry_out(const NodeCommand& command) {
  Answer answer;
  Vm& vm = vms_[command.vm];
  vm.revision = command.revision;
  vm.report.vm = command.vm;
  if (failure_.code != Code::ok) {
    answer.error = failure_;
    failure_.code = Code::ok;
    if (vm.report.incarnation == 0) vm.report.status.state = VmState::shutdown;
  } else {
    if (core::begins(command.action)) {
      vm.report.incarnation = command.incarnation;
      if (auto given = decode<core::StartCommand>(std::string_view(command.document), Unknown::ignore))
        vm.given = std::move(*given);
    }
    vm.report.status.state = core::target(command.action).value_or(vm.report.status.state);
    done_.insert(command.action);
  }
  changed(vm);
  answer.report = vm.report;
  if (command.action == core::Action::snapshot && !answer.error)
    if (const auto asked = decode<core::SnapshotCommand>(std::string_view(command.document), Unknown::ignore)) {
      answer.report->snapshot = core::SnapshotFacts{asked->id, 4096};
      vm.snapshots.push_back({asked->id, asked->name, "2026-01-01T00:00:00.000Z", vm.given.hypervisor, vm.given.spec,
                              vm.given.resolved.value_or(vm.given.spec), 4096});
    }
  vm.result = answer;
  return answer;
}

bool FakeNode::is_decided(const NodeCommand& command) const {
  const auto vm = vms_.find(command.vm);
  return vm != vms_.end() && vm->second.revision == command.revision && vm->second.result;
}

bool FakeNode::was_cancelled(const std::string& vm, std::int64_t revision) const {
  const std::lock_guard lock(mutex_);
  return cancelled_.contains({vm, revision});
}

void FakeNode::cancel(const std::string& vm, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  cancelled_.emplace(vm, revision);
  changed_.notify_all();
  std::erase_if(left_, [&](const NodeCommand& command) {
    if (command.vm != vm || command.revision != revision) return false;
    settle(command);
    return true;
  });
}

// The answer to a command that is no longer held up.
FakeNode::Answer FakeNode::settle(const NodeCommand& command) {
  Answer answer;
  const auto found = vms_.find(command.vm);
  const std::int64_t stone = tombstones_.contains(command.vm) ? tombstones_[command.vm] : 0;
  const std::int64_t highest = found != vms_.end() ? found->second.revision : stone;
  if (command.revision < highest) {
    answer.refused = make_error(Code::failed_precondition, "comes too late", "stale-revision");
    return answer;
  }
  if (command.action == core::Action::remove && std::exchange(pretends_, false)) {
    if (found != vms_.end()) answer.report = found->second.report;
  } else if (command.action == core::Action::remove) {
    vms_.erase(command.vm);
    tombstones_[command.vm] = command.revision;
    done_.insert(core::Action::remove);
    answer.report.emplace();
    answer.report->vm = command.vm;
    answer.report->deleted = true;
  } else if (is_decided(command)) {
    answer = *found->second.result;
  } else {
    if (found != vms_.end()) found->second.result.reset();
    // A cancelled command is undone, and keeps that result.
    if (cancelled_.contains({command.vm, command.revision})) failure_ = make_error(Code::cancelled, "it was cancelled");
    answer = carry_out(command);
  }
  return answer;
}

FakeNode::Answer FakeNode::execute(const Call& call, const std::function<bool()>& is_left) {
  const NodeCommand& command = call.command;
  std::unique_lock lock(mutex_);
  if (call.session != session_) {
    Answer refused;
    refused.refused = make_error(Code::failed_precondition, "another session", "stale-session");
    return refused;
  }
  arrived_.insert(command.action);
  changed_.notify_all();
  const std::pair<std::string, std::int64_t> job{command.vm, command.revision};
  const auto is_held_up = [&] {
    return hangs_ && !is_decided(command) && !cancelled_.contains(job) && command.action != core::Action::force_stop;
  };
  while (is_held_up() && !stopping_ && !is_left()) changed_.wait_for(lock, std::chrono::milliseconds(10));
  if (stopping_) return {true, std::nullopt};
  if (is_left() && is_held_up()) {
    if (call.outlives_it) {
      left_.push_back(command);
      return {true, std::nullopt};
    }
    if (command.action == core::Action::remove) return {true, std::nullopt};
    cancelled_.insert(job);
  }
  Answer answer = settle(command);
  answer.connection_broke = is_left() || lost_replies_ > 0;
  if (lost_replies_ > 0) --lost_replies_;
  return answer;
}

}  // namespace qarax::server
