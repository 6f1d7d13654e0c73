// Idempotency keys: each is bound to the first change that is made for its request, in the same transaction.
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {

constexpr std::int64_t kKeepSeconds = std::int64_t{24} * 3600;

Error answer_lost(const std::string& job_id) {
  Error error = make_error(
      Code::aborted,
      "the first request with this Idempotency-Key was carried out as job " + job_id + ", and its answer is lost",
      "idempotency-answer-lost");
  error.details.push_back({"/job_id", job_id});
  return error;
}

}  // namespace

Status SqlStore::transact(Database::Change change, const std::string& job_id) {
  const auto claim = RequestScope::current_claim();
  if (!claim) return db_->transact(std::move(change));
  const std::string first = claim->job_id();
  // The change was made already. Callers that can go on from its job (claimed_job()) don't get here.
  if (claim->is_from_before() && !first.empty() && !job_id.empty()) return answer_lost(first);
  if (claim->is_bound() && job_id.empty()) return db_->transact(std::move(change));
  // Keeps two changes with the same Idempotency-Key out of one group, where each would take itself for the first.
  change.keys.push_back("key " + claim->key());
  change.work = [&, work = std::move(change.work)](Session& session) -> Status {
    QARAX_CHECK(work(session));
    rows::put_key(session, {claim->key(), claim->fingerprint(), job_id, std::nullopt}, ran_.seconds());
    return Ok{};
  };
  change.publish = [&, publish = std::move(change.publish)] {
    publish();
    claim->bind(job_id);
  };
  return db_->transact(std::move(change));
}

Result<std::optional<KeptKey>> SqlStore::kept_key(const std::string& key) {
  std::optional<KeptKey> found;
  QARAX_CHECK(db_->read([&](Session& session) -> Status {
    found = rows::read_key(session, key, kKeepSeconds, ran_.seconds());
    return Ok{};
  }));
  return found;
}

void SqlStore::keep_answer(KeptKey kept) {
  db_->later([this, kept = std::move(kept)](Session& session) { rows::put_key(session, kept, ran_.seconds()); });
}

Result<JobPtr> SqlStore::claimed_job() {
  const auto claim = RequestScope::current_claim();
  const std::string id = claim ? claim->job_id() : std::string();
  if (id.empty()) return JobPtr();
  QARAX_TRY(JobPtr found, job(id));
  if (!found) return answer_lost(id);
  return found;
}

void SqlStore::prune_keys(Session& session) { rows::prune_keys(session, kKeepSeconds, ran_.seconds()); }

}  // namespace qarax::server
