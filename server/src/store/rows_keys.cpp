// Idempotency keys between rows and records.
#include <Poco/Data/RecordSet.h>
#include <Poco/Data/Statement.h>

#include "rows.hpp"

namespace qarax::server::rows {

namespace {
using namespace Poco::Data::Keywords;
using Poco::Data::RecordSet;
using Poco::Data::Statement;
}  // namespace

std::optional<KeptKey> read_key(Session& session, const std::string& key, std::int64_t keep_s,
                                const std::string& clock) {
  std::string wanted = key;
  std::int64_t age = keep_s;
  Statement select(session);
  select << "SELECT fingerprint, job_id, answer FROM idempotency_keys WHERE key = $1 AND at >= " << clock << " - $2",
      use(wanted), use(age), now;
  const RecordSet set(select);
  if (set.rowCount() == 0) return std::nullopt;
  KeptKey out;
  out.key = key;
  out.fingerprint = set.value(std::size_t{0}, std::size_t{0}).convert<std::string>();
  out.job_id = set.value(std::size_t{1}, std::size_t{0}).convert<std::string>();
  const auto text = set.value(std::size_t{2}, std::size_t{0}).convert<std::string>();
  if (text.empty()) return out;
  auto answer = decode<KeptAnswer>(std::string_view(text), Unknown::ignore);
  if (!answer) throw BadRow("idempotency_keys: " + answer.error().message);
  out.answer = std::move(*answer);
  return out;
}

void put_key(Session& session, const KeptKey& kept, const std::string& clock) {
  std::string key = kept.key;
  std::string fingerprint = kept.fingerprint;
  std::string job = kept.job_id;
  std::string answer = kept.answer ? encode(*kept.answer) : std::string();
  session << "INSERT INTO idempotency_keys (key, fingerprint, job_id, answer, at) VALUES ($1, $2, $3, $4, " << clock
          << ") ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, job_id = excluded.job_id, "
             "answer = excluded.answer, at = excluded.at",
      use(key), use(fingerprint), use(job), use(answer), now;
}

void prune_keys(Session& session, std::int64_t keep_s, const std::string& clock) {
  std::int64_t age = keep_s;
  session << "DELETE FROM idempotency_keys WHERE at < " << clock << " - $1", use(age), now;
}

}  // namespace qarax::server::rows
