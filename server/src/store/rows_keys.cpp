// Statements for idempotency keys.
#include <Poco/Data/RecordSet.h>
#include <Poco/Data/Statement.h>

#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

namespace {
using namespace Poco::Data::Keywords;
using Poco::Data::RecordSet;
using Poco::Data::Statement;
}  // namespace

std::optional<KeptKey> read_key(Session& session, const std::string& key, std::int64_t keep_s, std::int64_t ran) {
  std::string wanted = key;
  std::int64_t oldest = ran - keep_s;
  Statement select = session.statement();
  select << "SELECT fingerprint, job_id, answer FROM idempotency_keys WHERE key = $1 AND ran >= $2", use(wanted),
      use(oldest), now;
  const RecordSet set(select);
  if (set.rowCount() == 0) return std::nullopt;
  KeptKey out;
  out.key = key;
  out.fingerprint = text(set, 0, 0);
  out.job_id = text(set, 1, 0);
  const std::string stored = text(set, 2, 0);
  if (stored.empty()) return out;
  auto answer = decode<KeptAnswer>(std::string_view(stored), Unknown::ignore);
  if (!answer) throw BadRow("idempotency_keys: " + answer.error().message);
  out.answer = std::move(*answer);
  return out;
}

void put_key(Session& session, const KeptKey& kept, std::int64_t ran) {
  session.post(
      "INSERT INTO idempotency_keys (key, fingerprint, job_id, answer, ran) VALUES ($1, $2, $3, $4, $5) ON CONFLICT "
      "(key) DO UPDATE SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, answer = excluded.answer, "
      "ran = excluded.ran",
      kept.key, kept.fingerprint, kept.job_id, kept.answer ? encode(*kept.answer) : std::string(), ran);
}

void release_key(Session& session, const std::string& job_id) {
  session.run("DELETE FROM idempotency_keys WHERE job_id = $1 AND answer = ''", job_id);
}

void prune_keys(Session& session, std::int64_t keep_s, std::int64_t ran) {
  session.run("DELETE FROM idempotency_keys WHERE ran < $1", ran - keep_s);
}

}  // namespace qarax::server::rows
