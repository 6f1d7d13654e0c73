// What jobs at hosts do, action by action.
#include <algorithm>
#include <utility>

#include "collected.hpp"
#include "host_jobs.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kAttemptMs = 2'000;   // for a connection
constexpr std::int64_t kRemovalMs = 30'000;  // the node's time for a removal that no request waits for

// Turns the node's timeout into an error that promises nothing: no job is recorded yet that could go on.
Error not_begun(Error error) {
  if (error.code != Code::deadline_exceeded) return error;
  return make_error(Code::unavailable, "the node didn't answer in time, and nothing was begun: " + error.message,
                    "node-unreachable");
}

// Merges what was there when the job began with what the node answers to a repetition, which no longer lists what the
// first attempt removed.
Collected told_twice(Collected before, const std::vector<core::Leftover>& now) {
  const auto same = [](const core::Leftover& one) {
    return [&one](const core::Leftover& other) { return one.kind == other.kind && one.name == other.name; };
  };
  for (core::Leftover& one : before.leftovers) {
    const auto found = std::find_if(now.begin(), now.end(), same(one));
    if (found != now.end())
      one = *found;
    else
      one.removed = true;
  }
  for (const core::Leftover& one : now)
    if (std::none_of(before.leftovers.begin(), before.leftovers.end(), same(one))) before.leftovers.push_back(one);
  return before;
}

}  // namespace

const HostJobs::Row& HostJobs::row_of(HostAction action) {
  static constexpr Row kRows[] = {
      {nullptr, &HostJobs::carry_on_adopt, HostAction::adopt_host, true},
      {nullptr, &HostJobs::connect, HostAction::adopt_vm, true},
      {&HostJobs::prepare_removal, &HostJobs::carry_on_removal, HostAction::remove_unmanaged, true},
      {&HostJobs::prepare_collect, &HostJobs::carry_on_collect, HostAction::collect_leftovers, true},
      {nullptr, &HostJobs::connect, HostAction::init_host, false},
  };
  static_assert(has_a_row_for_each_host_action(kRows));
  return kRows[static_cast<std::size_t>(action)];
}

Status HostJobs::prepare_removal(BeginHostJob& asked) {
  const auto revision = adopter_.revision_to_remove(asked.host_id, asked.vm_id);
  if (!revision) return not_begun(revision.error());
  asked.revision = *revision;
  return Ok{};
}

Status HostJobs::prepare_collect(BeginHostJob& asked) {
  auto there = adopter_.leftovers(asked.host_id, false);
  if (!there) return not_begun(there.error());
  asked.outcome = outcome_of(Collected{std::move(*there)});
  return Ok{};
}

Status HostJobs::carry_on(const Job& job, std::string& outcome) {
  const HostPtr host = store_.host(job.host_id);
  if (!host) return make_error(Code::not_found, "host " + job.host_id + " was removed since", "host-not-found");
  const auto action = host_action_named(job.action);
  if (!action) return make_error(Code::internal, "\"" + job.action + "\" is no action at a host");
  return (this->*row_of(*action).carry_on)(*host, job, outcome);
}

Status HostJobs::carry_on_adopt(const HostRecord& host, const Job& job, std::string& /*outcome*/) {
  if (adopter_.is_obeyed(job.host_id)) return Ok{};
  const auto connected = orchestrator_.init_host(job.host_id, kAttemptMs);
  if (adopter_.is_obeyed(job.host_id)) return Ok{};
  // The node may obey another server by now than when this plan was confirmed. Taking it from that one needs an
  // operator's confirmation again.
  const HostPtr now = store_.host(job.host_id);
  const std::string reason = connected ? "" : connected.error().reason;
  if ((now && !now->needs_adopt.empty() && !is_awaited(*now)) || reason == "other-cluster" || reason == "stale-term")
    return make_error(
        Code::aborted,
        "the node of host " + host.name + " wasn't told of it, and obeys another server; make a new plan and adopt it",
        "plan-changed");
  return connected ? make_error(Code::unavailable, "host " + host.name + " isn't up yet", "node-unreachable")
                   : connected.error();
}

// All that is left to do of an init, and of the adoption of a VM; other jobs begin with it.
Status HostJobs::connect(const HostRecord& /*host*/, const Job& job, std::string& /*outcome*/) {
  auto connected = orchestrator_.init_host(job.host_id, kAttemptMs);
  if (!connected) return connected.error();
  // The same check as for a job that begins now, also for what was begun before.
  const auto action = host_action_named(job.action);
  if (const std::string why = store_.read_only(); !why.empty() && !(action && is_made_while_read_only(*action)))
    return read_only(why);
  return Ok{};
}

Status HostJobs::carry_on_removal(const HostRecord& host, const Job& job, std::string& outcome) {
  QARAX_CHECK(connect(host, job, outcome));
  if (store_.vm(job.vm_id))
    return make_error(Code::aborted, "VM " + job.vm_id + " is this server's by now; DELETE it there", "wrong-state");
  Status removed = adopter_.remove_vm(job.host_id, job.vm_id, job.revision, kRemovalMs);
  // The VM was there when this job began, so an earlier attempt has removed it.
  if (!removed && removed.error().reason == "vm-not-found") return Ok{};
  return removed;
}

Status HostJobs::carry_on_collect(const HostRecord& host, const Job& job, std::string& outcome) {
  QARAX_CHECK(connect(host, job, outcome));
  QARAX_TRY(Collected told,
            decode<Collected>(std::string_view(job.outcome.empty() ? "{}" : job.outcome), Unknown::ignore));
  QARAX_TRY(const auto found, adopter_.leftovers(job.host_id, true));
  outcome = outcome_of(told_twice(std::move(told), found));
  return Ok{};
}

}  // namespace qarax::server
