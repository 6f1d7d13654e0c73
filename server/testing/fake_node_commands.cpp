// What the fake node does with commands.
#include <utility>

#include "fake_node.hpp"
#include "qarax/node/v1/actions.hpp"

namespace qarax::server {

node::v1::CommandReply FakeNode::carry_out(const node::v1::CommandRequest& request) {
  const core::Action action = node::v1::from_proto(request.action()).value();
  node::v1::CommandReply reply;
  Vm& vm = vms_[request.vm()];
  vm.revision = request.revision();
  vm.report.vm = request.vm();
  if (failure_.code != Code::ok) {
    reply.set_error(encode(failure_));
    failure_.code = Code::ok;
    if (vm.report.incarnation == 0) vm.report.status.state = VmState::shutdown;
  } else {
    if (core::begins(action)) {
      vm.report.incarnation = request.incarnation();
      if (auto given = decode<core::StartCommand>(std::string_view(request.document()), Unknown::ignore))
        vm.given = std::move(*given);
    }
    vm.report.status.state = core::target(action).value_or(vm.report.status.state);
    done_.insert(action);
  }
  changed(vm);
  core::VmReport answer = vm.report;
  if (action == core::Action::snapshot && reply.error().empty())
    if (const auto asked = decode<core::SnapshotCommand>(std::string_view(request.document()), Unknown::ignore)) {
      answer.snapshot = core::SnapshotFacts{asked->id, 4096};
      vm.snapshots.push_back({asked->id, asked->name, "2026-01-01T00:00:00.000Z", vm.given.hypervisor, vm.given.spec,
                              vm.given.resolved.value_or(vm.given.spec), 4096});
    }
  reply.set_report(encode(answer));
  vm.results[request.step()] = reply;
  return reply;
}

bool FakeNode::is_decided(const node::v1::CommandRequest& request) const {
  const auto vm = vms_.find(request.vm());
  return vm != vms_.end() && vm->second.revision == request.revision() && vm->second.results.contains(request.step());
}

bool FakeNode::was_cancelled(const std::string& vm, std::int64_t revision) const {
  const std::lock_guard lock(mutex_);
  return cancelled_.contains({vm, revision});
}

void FakeNode::cancel(const std::string& vm, std::int64_t revision) {
  const std::lock_guard lock(mutex_);
  cancelled_.emplace(vm, revision);
  changed_.notify_all();
  std::erase_if(left_, [&](const node::v1::CommandRequest& request) {
    if (request.vm() != vm || request.revision() != revision) return false;
    settle(request);
    return true;
  });
}

// What is true for a command that isn't held up any more.
FakeNode::Answer FakeNode::settle(const node::v1::CommandRequest& request) {
  Answer answer;
  const auto found = vms_.find(request.vm());
  const std::int64_t stone = tombstones_.contains(request.vm()) ? tombstones_[request.vm()] : 0;
  const std::int64_t highest = found != vms_.end() ? found->second.revision : stone;
  if (request.revision() < highest) {
    answer.refused = make_error(Code::failed_precondition, "comes too late", "stale-revision");
    return answer;
  }
  if (node::v1::from_proto(request.action()).value() == core::Action::remove && std::exchange(pretends_, false)) {
    if (found != vms_.end()) answer.reply.set_report(encode(found->second.report));
  } else if (node::v1::from_proto(request.action()).value() == core::Action::remove) {
    vms_.erase(request.vm());
    tombstones_[request.vm()] = request.revision();
    done_.insert(core::Action::remove);
    core::VmReport report;
    report.vm = request.vm();
    report.deleted = true;
    answer.reply.set_report(encode(report));
  } else if (is_decided(request)) {
    answer.reply = found->second.results[request.step()];
  } else {
    if (found != vms_.end()) found->second.results.clear();
    // Undone, and that is what the node says of it from then on.
    if (cancelled_.contains({request.vm(), request.revision()}))
      failure_ = make_error(Code::cancelled, "it was cancelled");
    answer.reply = carry_out(request);
  }
  return answer;
}

FakeNode::Answer FakeNode::execute(const node::v1::CommandRequest& request, const std::function<bool()>& is_left) {
  const core::Action action = node::v1::from_proto(request.action()).value();
  std::unique_lock lock(mutex_);
  if (request.authority().session() != session_) {
    Answer refused;
    refused.refused = make_error(Code::failed_precondition, "another session", "stale-session");
    return refused;
  }
  arrived_.insert(action);
  changed_.notify_all();
  const std::pair<std::string, std::int64_t> job{request.vm(), request.revision()};
  const auto is_held_up = [&] {
    return hangs_ && !is_decided(request) && !cancelled_.contains(job) && action != core::Action::force_stop;
  };
  while (is_held_up() && !stopping_ && !is_left()) changed_.wait_for(lock, std::chrono::milliseconds(10));
  if (stopping_) return {true, std::nullopt, {}};
  if (is_left() && is_held_up()) {
    if (request.outlives_call()) {
      left_.push_back(request);
      return {true, std::nullopt, {}};
    }
    if (action == core::Action::remove) return {true, std::nullopt, {}};
    cancelled_.insert(job);
  }
  Answer answer = settle(request);
  answer.connection_broke = is_left() || lost_replies_ > 0;
  if (lost_replies_ > 0) --lost_replies_;
  return answer;
}

}  // namespace qarax::server
