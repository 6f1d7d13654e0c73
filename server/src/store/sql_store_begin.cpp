// The begin of a job. One transaction records the job, the desired state, the memory that it reserves and the job that
// it supersedes.
#include "action_facts.hpp"
#include "event_makers.hpp"
#include "request_scope.hpp"
#include "restart.hpp"
#include "rows.hpp"
#include "store_begin.hpp"

namespace qarax::server {

// Whether the VM is still as the caller saw it when it decided on the job.
Status SqlStore::check_begin(const BeginJob& asked, const VmRecord& vm, const JobRecord* unfinished) const {
  QARAX_CHECK(check_free(vm, unfinished, asked.action));
  if (asked.expected_version && vm.version != *asked.expected_version) return overtaken("VM", vm.name);
  // A stop changes the desired state even where it needed no job, and then the restart policy has nothing to restart.
  const bool unwanted = asked.origin == Origin::policy && !wants_restart(vm);
  if (vm.revision != asked.expected_revision || unwanted) return changed_meanwhile(vm.name);
  // The caller saw a job under way, which has ended since, and so it chose no host. It has to decide again.
  if (core::begins(asked.action) && !asked.placement) return changed_meanwhile(vm.name);
  return Ok{};
}

// Fills in plan.vm and plan.job, but for the VM's host and what the action is about.
void SqlStore::plan_records(const BeginJob& asked, const VmRecord& before, const JobRecord* unfinished,
                            Begin& plan) const {
  VmRecord& vm = plan.vm;
  JobRecord& job = plan.job;
  vm = before;
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
  // The edition is taken now, before a node hears of the job, and not once its result is known.
  if (core::begins(asked.action) || asked.action == core::Action::resize) vm.edition = next_edition(vm);
}

// A new incarnation on the chosen host, and the memory that it reserves there. The caller looked for room without a
// lock; here it is checked under state().
Status SqlStore::plan_placement(const BeginJob& asked, const Placement& place, Begin& plan) const {
  VmRecord& vm = plan.vm;
  if (!memory_.host(place.host_id))
    return make_error(Code::aborted, "the host of VM " + vm.name + " was removed meanwhile", "changed");
  ++vm.incarnation;
  vm.restart.count = asked.origin == Origin::policy ? vm.restart.count + 1 : 0;
  vm.host_id = place.host_id;
  if (vm.hypervisor.empty()) vm.hypervisor = place.hypervisor;
  vm.observed.hypervisor = place.hypervisor;
  // A VM whose resolved spec was frozen for a fallback keeps that reason. Otherwise only this start counts.
  if (!vm.resolved || !place.fallback_reason.empty()) vm.observed.fallback_reason = place.fallback_reason;
  plan.reservation = Reservation{vm.id, *vm.host_id, vm.incarnation, place.memory};
  if (reservations_.sum_on(*vm.host_id, vm.id) + place.memory > place.capacity) return memory_taken();
  return Ok{};
}

void SqlStore::write_begun(Session& session, const JobRecord* unfinished, Begin& plan) {
  const JobRecord& job = plan.job;
  const VmRecord& vm = plan.vm;
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
}

Status SqlStore::plan_job(Session& session, const BeginJob& asked, Begin& plan) {
  const VmPtr before = memory_.vm(asked.vm_id);
  if (!before) return no_such_vm(asked.vm_id);
  const auto found = jobs_.find(before->job_id);
  const JobRecord* unfinished = found != jobs_.end() ? &found->second : nullptr;
  QARAX_CHECK(check_begin(asked, *before, unfinished));
  plan_records(asked, *before, unfinished, plan);
  if (asked.placement) QARAX_CHECK(plan_placement(asked, *asked.placement, plan));
  plan.job.incarnation = plan.vm.incarnation;
  QARAX_CHECK(plan_subject(asked, unfinished, plan));
  // This job inherits a superseded resize. Whether the node has carried it out, and so whether its reservation stays,
  // is settled at this job's end.
  if (unfinished != nullptr) plan.job.arguments.resize = unfinished->arguments.resize;
  if (!asked.only_check) write_begun(session, unfinished, plan);
  return Ok{};
}

// Copies only what the job changes, so that what the node has reported since the plan was made stays.
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
  // The host's key keeps two starts on one host out of one group: each must see what the other has reserved.
  std::vector<std::string> keys{asked.vm_id};
  if (asked.placement) keys.push_back(asked.placement->host_id);
  if (asked.action == core::Action::resize)
    if (const VmPtr vm = memory_.vm(asked.vm_id); vm && vm->host_id) keys.push_back(*vm->host_id);
  if (asked.only_check) {
    QARAX_CHECK(db_->transact({.keys = std::move(keys),
                               .work = [&](Session& session) { return plan_job(session, asked, plan); },
                               .frees = facts_of(asked.action).frees}));
    return begun;
  }
  QARAX_CHECK(transact({.keys = std::move(keys),
                        .work = [&](Session& session) { return plan_job(session, asked, plan); },
                        .publish =
                            [&] {
                              const std::string superseded = plan.superseded ? plan.superseded->id : "";
                              jobs_.erase(superseded);
                              if (plan.superseded) book_.put(std::move(*plan.superseded));
                              jobs_.emplace(plan.job.id, plan.job);
                              book_.put(plan.told);
                              if (plan.reservation) reservations_.put(*plan.reservation);
                              publish_subject(plan);
                              begun = {plan.job, publish(plan), superseded};
                            },
                        .frees = facts_of(asked.action).frees},
                       plan.job.id));
  return begun;
}

}  // namespace qarax::server
