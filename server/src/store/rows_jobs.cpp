// Statements for jobs.
#include <Poco/Data/RecordSet.h>
#include <Poco/Data/Statement.h>
#include <Poco/Nullable.h>

#include "qarax/core/enum_name.hpp"
#include "qarax/plugin/call_args.hpp"
#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::RecordSet;
using Poco::Data::Statement;

constexpr const char* kColumns =
    "id, action, state, vm_id, vm_name, host_id, revision, incarnation, steps, error, owner, term, request_id, "
    "created_at, finished_at, cancelling, outcome, arguments";

std::string name_of(JobState state) { return std::string(core::enum_name(state)); }

JobState state_of(const std::string& name) {
  if (const auto state = enum_named<JobState>(name)) return *state;
  throw BadRow("jobs: unknown state " + name);
}

std::vector<JobStep> steps_of(const std::string& json) {
  auto steps = decode<JobSteps>(std::string_view(json), Unknown::ignore);
  return steps ? std::move(steps->steps) : std::vector<JobStep>();
}

std::string steps_text(const Job& job) { return encode(JobSteps{job.steps}); }
std::string error_text(const Job& job) { return job.error ? encode(*job.error) : std::string(); }

Job job_of(const RecordSet& set, std::size_t row) {
  Job job;
  job.id = text(set, 0, row);
  job.action = text(set, 1, row);
  job.state = state_of(text(set, 2, row));
  job.vm_id = text(set, 3, row);
  job.vm_name = text(set, 4, row);
  job.host_id = text(set, 5, row);
  job.revision = number(set, 6, row);
  job.incarnation = number(set, 7, row);
  job.steps = steps_of(text(set, 8, row));
  if (const std::string error = text(set, 9, row); !error.empty()) job.error = decode_error(error);
  job.owner = text(set, 10, row);
  job.term = number(set, 11, row);
  job.request_id = text(set, 12, row);
  job.created_at = text(set, 13, row);
  job.finished_at = text(set, 14, row);
  job.cancelling = number(set, 15, row) != 0;
  job.outcome = text(set, 16, row);
  const std::string arguments_text = text(set, 17, row);
  if (auto arguments = decode<JobArguments>(std::string_view(arguments_text), Unknown::ignore))
    job.snapshot = std::move(arguments->snapshot);
  return job;
}

}  // namespace

std::optional<Job> read_job(Session& session, const std::string& job_id) {
  std::string id = job_id;
  Statement select = session.statement();
  select << "SELECT " << kColumns << " FROM jobs WHERE id = $1", use(id), now;
  const RecordSet set(select);
  if (set.rowCount() == 0) return std::nullopt;
  return job_of(set, 0);
}

std::vector<Job> read_jobs(Session& session, const JobQuery& query) {
  std::string vm = query.vm_id;
  std::string host = query.host_id;
  std::string state = query.state ? name_of(*query.state) : std::string();
  std::string at = query.before_at;
  std::string id = query.before_id;
  std::int64_t limit = static_cast<std::int64_t>(query.limit);
  std::string where = " WHERE 1 = 1";
  int parameter = 0;
  const auto next = [&] { return "$" + std::to_string(++parameter); };
  Statement select = session.statement();
  if (!vm.empty()) where += " AND vm_id = " + next();
  if (!host.empty()) where += " AND host_id = " + next();
  if (!state.empty()) where += " AND state = " + next();
  if (!id.empty()) {
    where += " AND (created_at, id) < (" + next();
    where += ", " + next() + ")";
  }
  select << "SELECT " << kColumns << " FROM jobs" << where << " ORDER BY created_at DESC, id DESC LIMIT " << next();
  if (!vm.empty()) select, use(vm);
  if (!host.empty()) select, use(host);
  if (!state.empty()) select, use(state);
  if (!id.empty()) select, use(at), use(id);
  select, use(limit);
  select.execute();
  const RecordSet set(select);
  std::vector<Job> out;
  for (std::size_t row = 0; row < set.rowCount(); ++row) out.push_back(job_of(set, row));
  return out;
}

void insert_job(Session& session, const Job& job, const Desired& desired_before, std::int64_t timeout_ms,
                std::int64_t ran, const JobArguments& arguments) {
  const bool ended = !job.finished_at.empty();
  Poco::Nullable<std::string> end;
  if (ended) end = job.finished_at;
  const auto ended_at = ended ? std::optional(ran) : std::nullopt;
  session.post(
      "INSERT INTO jobs (id, vm_id, vm_name, host_id, revision, action, state, incarnation, timeout_ms, before, owner, "
      "term, request_id, created_at, finished_at, steps, arguments, outcome, ran) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
      job.id, job.vm_id, job.vm_name, job.host_id, job.revision, job.action, name_of(job.state), job.incarnation,
      timeout_ms, encode(desired_before, Defaults::write), job.owner, job.term, job.request_id, job.created_at, end,
      steps_text(job), encode(arguments), job.outcome, ended_at);
}

void finish_job(Session& session, const Job& job, std::int64_t ran) {
  session.post(
      "UPDATE jobs SET ran = $1, state = $2, finished_at = $3, steps = $4, error = $5, outcome = $6 WHERE id = $7 AND "
      "state = 'running'",
      ran, name_of(job.state), job.finished_at, steps_text(job), error_text(job), job.outcome, job.id);
}

void mark_cancelling(Session& session, const std::string& job_id) {
  session.run("UPDATE jobs SET cancelling = 1 WHERE id = $1 AND state = 'running'", job_id);
}

void take_over_jobs(Session& session, const Activation& activation) {
  session.run("UPDATE jobs SET owner = $1, term = $2 WHERE state = 'running'", activation.id, activation.term);
}

void prune_jobs(Session& session, std::int64_t keep, std::int64_t keep_s, std::int64_t ran) {
  session.run("DELETE FROM jobs WHERE ran < $1 AND state <> 'running'", ran - keep_s);
  // `ran` has seconds only; within one second the wall clock decides, whose jumps do no harm here.
  session.run(
      "DELETE FROM jobs WHERE state <> 'running' AND (ran, created_at, id) <= (SELECT ran, created_at, id FROM jobs "
      "WHERE state <> 'running' ORDER BY ran DESC, created_at DESC, id DESC LIMIT 1 OFFSET $1)",
      keep);
}

}  // namespace qarax::server::rows
