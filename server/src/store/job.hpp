// Jobs as clients see them. Every change of a VM or a host is a job, also one that completes at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "action_facts.hpp"
#include "host_action.hpp"
#include "records.hpp"

namespace qarax::server {

enum class StepState { running, completed, failed };

// One step of what a job did; a job lists its steps in order.
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
  std::string action;  // name of a core::Action, a HostAction or a change of record_action.hpp
  JobState state = JobState::running;
  std::string vm_id;    // empty: not a VM's job
  std::string vm_name;  // at the time of the job
  std::string host_id;  // where it is carried out; for add-host the new host
  std::int64_t revision = 0;
  std::int64_t incarnation = 0;
  std::vector<JobStep> steps;
  std::optional<Error> error;           // if it failed
  bool cancelling = false;              // a user asked to cancel it
  std::int64_t asked = 0;               // how often the node was asked; in memory only
  std::optional<JobProgress> progress;  // while it runs; in memory only
  std::string owner;                    // id of the activation that carries it out or did so last
  std::int64_t term = 0;
  std::string request_id;
  std::string created_at;
  std::string finished_at;
  std::string snapshot;  // id of the snapshot that it takes, restores or deletes
  std::string outcome;   // for a host's job: the JSON document that its request is answered with; empty: none
};
struct JobSteps {  // the stored document
  std::vector<JobStep> steps{};
};
using JobPtr = std::shared_ptr<const Job>;

// Whether the job was already complete when it was recorded.
inline bool was_done_at_once(const Job& job) { return job.state == JobState::completed && job.steps.size() < 2; }

inline bool can_be_cancelled(const Job& job) {
  const auto action = core::action_named(job.action);  // nullopt for a host's job
  return job.state == JobState::running && action && facts_of(*action).cancellable;
}

// Selects jobs; the newest come first.
struct JobQuery {
  std::string vm_id{};            // empty: any
  std::string host_id{};          // empty: any
  std::optional<JobState> state;  // nullopt: any
  std::size_t limit = 1000;
  // Only jobs that come after this one in the list, by creation time and id; empty: from the newest on.
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
