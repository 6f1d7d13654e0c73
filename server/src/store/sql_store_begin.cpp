// A job's begin: with the desired state, what it reserves and what it puts aside, in one transaction.
#include "action_facts.hpp"
#include "event_makers.hpp"
#include "request_scope.hpp"
#include "restart.hpp"
#include "rows.hpp"
#include "store_begin.hpp"

namespace qarax::server {

Status SqlStore::plan_job(Session& session, const BeginJob& asked, Begin& plan) {
  const VmPtr before = memory_.vm(asked.vm_id);
  if (!before) return no_such_vm(asked.vm_id);
  const JobRecord* unfinished = nullptr;
  if (const auto found = jobs_.find(before->job_id); found != jobs_.end()) unfinished = &found->second;
  QARAX_CHECK(check_free(*before, unfinished, asked.action));
  if (asked.expected_version && before->version != *asked.expected_version) return overtaken("VM", before->name);
  // A stop that came in between is a wish, whether it needed a job or not.
  const bool unwanted = asked.origin == Origin::policy && !wants_restart(*before, asked.was_calm);
  if (before->revision != asked.expected_revision || unwanted) return changed_meanwhile(before->name);

  VmRecord& vm = plan.vm;
  JobRecord& job = plan.job;
  vm = *before;
  job.vm_id = vm.id;
  job.revision = vm.revision + 1;
  job.action = asked.action;
  job.timeout_ms = asked.timeout_ms;
  job.request_id = asked.request_id;
  job.arguments = asked.arguments;
  job.before = unfinished != nullptr ? unfinished->before : vm.desired;
  vm.revision = job.revision;
  vm.desired = {core::target(asked.action).value_or(vm.desired.state), asked.origin, job.revision};
  vm.activity = core::to_string(asked.action);
  vm.job_id = job.id;
  vm.updated_at = now_text();
  // Taken here, before a node hears of it, and not when what it changes is known.
  if (core::begins(asked.action) || asked.action == core::Action::resize) vm.edition = next_edition(vm);
  // What the caller took for busy has come to its end: it has to find a place first.
  if (core::begins(asked.action) && !asked.placement) return changed_meanwhile(before->name);
  if (asked.placement) {
    if (!memory_.host(asked.placement->host_id))
      return make_error(Code::aborted, "the host of VM " + before->name + " was removed meanwhile", "changed");
    ++vm.incarnation;
    if (asked.origin != Origin::policy || asked.was_calm) vm.restart.count = 0;
    if (asked.origin == Origin::policy) ++vm.restart.count;
    vm.host_id = asked.placement->host_id;
    if (vm.hypervisor.empty()) vm.hypervisor = asked.placement->hypervisor;
    vm.observed.hypervisor = asked.placement->hypervisor;
    // What was frozen for a fallback stays one; else only this start counts.
    if (!vm.resolved || !asked.placement->fallback_reason.empty())
      vm.observed.fallback_reason = asked.placement->fallback_reason;
    plan.reservation = Reservation{vm.id, *vm.host_id, vm.incarnation, asked.placement->memory};
    std::int64_t taken = 0;
    for (const auto& [id, other] : reservations_)
      if (other.host_id == *vm.host_id && id != vm.id) taken += other.memory;
    if (taken + asked.placement->memory > asked.placement->capacity)
      return make_error(Code::resource_exhausted, "the host's memory was taken by another VM meanwhile",
                        "no-host-fits");
  }
  job.incarnation = vm.incarnation;
  QARAX_CHECK(plan_subject(asked, unfinished, plan));
  // Whether its node has carried that out, and keeps what was reserved for it, is to be seen at this job's end.
  if (unfinished != nullptr) job.arguments.resize = unfinished->arguments.resize;
  if (asked.only_check) return Ok{};
  if (plan.abandoned) rows::put_snapshot(session, *plan.abandoned);
  if (plan.snapshot) rows::put_snapshot(session, *plan.snapshot);
  plan.told = told_of(job, vm);
  if (unfinished != nullptr) {
    plan.superseded = ended_job(unfinished->id, JobState::superseded, std::nullopt);
    rows::finish_job(session, *plan.superseded, ran_.seconds());
    events_.add(events::job_finished(*plan.superseded, &vm));
  }
  rows::insert_job(session, plan.told, job.before, job.timeout_ms, ran_.seconds(), job.arguments);
  rows::update_vm(session, vm);
  if (plan.reservation) rows::put_reservation(session, *plan.reservation);
  events_.add(events::job_started(plan.told, &vm));
  return Ok{};
}

// What the job changes, on top of what the node has reported since it was planned.
VmPtr SqlStore::publish(const Begin& plan) {
  return memory_.update(plan.vm.id, [&](VmRecord& vm) {
    vm.revision = plan.vm.revision;
    vm.edition = plan.vm.edition;
    vm.incarnation = plan.vm.incarnation;
    vm.host_id = plan.vm.host_id;
    vm.hypervisor = plan.vm.hypervisor;
    vm.observed.hypervisor = plan.vm.observed.hypervisor;
    vm.observed.fallback_reason = plan.vm.observed.fallback_reason;
    vm.desired = plan.vm.desired;
    vm.restart.count = plan.vm.restart.count;
    vm.activity = plan.vm.activity;
    vm.job_id = plan.vm.job_id;
    vm.updated_at = plan.vm.updated_at;
    return true;
  });
}

Result<BegunJob> SqlStore::begin_job(const BeginJob& asked) {
  Begin plan;
  plan.job.id = RequestScope::new_job_id();
  BegunJob begun;
  // Two starts on one host don't plan side by side: each must see what the other has reserved.
  std::vector<std::string> keys{asked.vm_id};
  if (asked.placement) keys.push_back(asked.placement->host_id);
  if (asked.action == core::Action::resize)
    if (const VmPtr vm = memory_.vm(asked.vm_id); vm && vm->host_id) keys.push_back(*vm->host_id);
  if (asked.only_check) {
    QARAX_CHECK(db_->transact({std::move(keys), [&](Session& session) { return plan_job(session, asked, plan); }, [] {},
                               false, facts_of(asked.action).frees}));
    return begun;
  }
  QARAX_CHECK(transact({std::move(keys), [&](Session& session) { return plan_job(session, asked, plan); },
                        [&] {
                          const std::string superseded = plan.superseded ? plan.superseded->id : "";
                          jobs_.erase(superseded);
                          if (plan.superseded) book_.put(std::move(*plan.superseded));
                          jobs_.emplace(plan.job.id, plan.job);
                          book_.put(plan.told);
                          if (plan.reservation) reservations_[plan.vm.id] = *plan.reservation;
                          publish_subject(plan);
                          begun = {plan.job, publish(plan), superseded};
                        },
                        false, facts_of(asked.action).frees},
                       plan.job.id));
  return begun;
}

}  // namespace qarax::server
