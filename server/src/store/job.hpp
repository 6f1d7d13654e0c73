// Jobs as they are told of: everything that changes a VM or a host is one, also what was done at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "action_facts.hpp"
#include "records.hpp"

namespace qarax::server {

enum class StepState { running, completed, failed };

// A job's own account of what it did, in order.
struct JobStep {
  std::string name{};
  StepState state = StepState::running;
  std::string started_at{};
  std::optional<std::string> finished_at{};
  std::optional<std::string> detail{};
};

// How far its node is with the step under way, as the hypervisor's plugin tells it.
struct JobProgress {
  std::string step{};
  std::int64_t done = 0;
  std::int64_t total = 0;
};

struct Job {
  std::string id;
  std::string action;  // create, start, …, delete, add-host, init-host
  JobState state = JobState::running;
  std::string vm_id;    // of a VM's job
  std::string vm_name;  // then
  std::string host_id;  // where it is carried out; of add-host: what it made
  std::int64_t revision = 0;
  std::int64_t incarnation = 0;
  std::vector<JobStep> steps;
  std::optional<Error> error;           // of a failed one
  bool cancelling = false;              // somebody asked for its end
  std::int64_t asked = 0;               // how often its node was; in memory only
  std::optional<JobProgress> progress;  // while it runs; in memory only
  std::string owner;                    // the activation that carries it out, or did
  std::int64_t term = 0;
  std::string request_id;
  std::string created_at;
  std::string finished_at;
  std::string snapshot;  // id of the one that it takes, restores or deletes
  std::string outcome;   // of a host's: the document that its request is answered with; empty: none
};
struct JobSteps {  // as they are stored
  std::vector<JobStep> steps{};
};
using JobPtr = std::shared_ptr<const Job>;

// What is done at a host's node beside its VMs' jobs. Each can be done twice and comes to the same, which is how a
// server goes on with what the one before has left.
inline constexpr std::string_view kAdoptHost = "adopt-host";
inline constexpr std::string_view kAdoptVm = "adopt-vm";
inline constexpr std::string_view kRemoveUnmanaged = "remove-unmanaged";
inline constexpr std::string_view kCollectLeftovers = "collect-leftovers";
inline constexpr std::string_view kInitHost = "init-host";
inline bool is_host_action(std::string_view action) {
  for (const std::string_view one : {kAdoptHost, kAdoptVm, kRemoveUnmanaged, kCollectLeftovers, kInitHost})
    if (one == action) return true;
  return false;
}

// It was over when it was recorded.
inline bool was_done_at_once(const Job& job) { return job.state == JobState::completed && job.steps.size() < 2; }

inline bool can_be_cancelled(const Job& job) {
  const auto action = core::action_named(job.action);  // none: a host's
  return job.state == JobState::running && action && facts_of(*action).cancellable;
}

// Which jobs, newest first.
struct JobQuery {
  std::string vm_id{};            // empty: any
  std::string host_id{};          // as well
  std::optional<JobState> state;  // nullopt: any
  std::size_t limit = 1000;
  // Those behind this one, as it stands in the list; empty: from the newest on.
  std::string before_at;
  std::string before_id;
};

}  // namespace qarax::server

namespace qarax {
template <>
struct EnumNames<server::StepState> {
  static constexpr std::string_view kNames[] = {"running", "completed", "failed"};
  static constexpr server::StepState kUnknown = server::StepState::running;
};
template <>
struct Fields<server::JobStep> {
  using T = server::JobStep;
  static constexpr std::string_view kName = "JobStep";
  static constexpr auto kTable = field_table(
      field<&T::name>("name").required().doc("record: the job and the desired state; node: the command at the host's "
                                             "node."),
      field<&T::state>("state").required().doc("How far it is."),
      field<&T::started_at>("started_at").required().doc("When it began, UTC."),
      field<&T::finished_at>("finished_at").doc("When it came to its end, UTC."),
      field<&T::detail>("detail").doc("What more there is to say: the host, how often it was asked."));
};
QARAX_FIELDS_COMPLETE(server::JobStep);
template <>
struct Fields<server::JobProgress> {
  using T = server::JobProgress;
  static constexpr std::string_view kName = "JobProgress";
  static constexpr auto kTable = field_table(
      field<&T::step>("step").required().doc("The plugin's own name for what it does: memory, delay."),
      field<&T::done>("done").required().doc("Of total, in the plugin's own unit: bytes of memory, milliseconds."),
      field<&T::total>("total").required().doc("0: it isn't known."));
};
QARAX_FIELDS_COMPLETE(server::JobProgress);
template <>
struct Fields<server::JobSteps> {
  static constexpr std::string_view kName = "JobSteps";
  static constexpr auto kTable = field_table(field<&server::JobSteps::steps>("steps"));
};
QARAX_FIELDS_COMPLETE(server::JobSteps);
}  // namespace qarax
