#include "schema.hpp"

#include <Poco/Data/Statement.h>

#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "rows.hpp"

namespace qarax::server::schema {

namespace {

using namespace Poco::Data::Keywords;

void run(Session& session, const std::string& sql) { session << sql, now; }

std::int64_t number(Session& session, const std::string& sql) {
  std::int64_t out = 0;
  session << sql, into(out), now;
  return out;
}

std::string now_text() { return core::to_rfc3339(std::chrono::system_clock::now()); }

std::string translated(std::string sql, const std::string& integer) {
  constexpr std::string_view kInteger = "INTEGER";
  for (std::size_t at = 0; (at = sql.find(kInteger, at)) != std::string::npos; at += integer.size())
    sql.replace(at, kInteger.size(), integer);
  return sql;
}

void run_script(Session& session, std::string_view sql, const Dialect& dialect) {
  while (!sql.empty()) {
    const std::size_t end = sql.find(";\n");
    const std::string_view one = sql.substr(0, end);
    if (one.find_first_not_of(" \n;") != std::string_view::npos)
      run(session, translated(std::string(one), dialect.integer));
    sql = end == std::string_view::npos ? std::string_view() : sql.substr(end + 2);
  }
}

}  // namespace

Status migrate(Session& session, const Dialect& dialect, std::span<const Migration> all) {
  run(session, translated("CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, min_reader INTEGER "
                          "NOT NULL, at TEXT NOT NULL)",
                          dialect.integer));
  const std::int64_t have = number(session, "SELECT COALESCE(MAX(number), 0) FROM schema_version");
  const std::int64_t min_reader = number(session, "SELECT COALESCE(MAX(min_reader), 0) FROM schema_version");
  const std::int64_t ours = all.back().number;
  if (min_reader > ours)
    return make_error(Code::failed_precondition,
                      "the database " + dialect.database + " has schema " + std::to_string(have) +
                          ", which needs a server that knows schema " + std::to_string(min_reader) +
                          "; this one knows " + std::to_string(ours) +
                          ": upgrade it, or give it a backup that is old enough");
  // The copy is named by the first pending migration and not the last: if a later one fails, the next attempt begins at
  // another number and doesn't overwrite the copy.
  if (have > 0 && have < ours && dialect.secure) QARAX_CHECK(dialect.secure(have + 1));
  for (const Migration& migration : all) {
    if (migration.number <= have) continue;
    run(session, dialect.begin);
    try {
      run_script(session, migration.sql, dialect);
      std::int64_t n = migration.number;
      std::int64_t reader = migration.min_reader;
      std::string at = now_text();
      session << "INSERT INTO schema_version (number, min_reader, at) VALUES ($1, $2, $3)", use(n), use(reader),
          use(at), now;
      run(session, "COMMIT");
    } catch (const Poco::Exception& e) {
      run(session, "ROLLBACK");
      return make_error(Code::internal, "migration " + std::to_string(migration.number) +
                                            " of the database failed and was undone: " + e.displayText());
    }
  }
  return Ok{};
}

Activation activate(Session& session, const Dialect& dialect) {
  Activation out;
  out.id = core::new_uuid();
  run(session, dialect.begin);
  std::string fresh = core::new_uuid();
  session << "INSERT INTO cluster (one, cluster_id, term) VALUES (1, $1, 0) ON CONFLICT DO NOTHING", use(fresh), now;
  run(session, "UPDATE cluster SET term = term + 1");
  session << "SELECT cluster_id, term FROM cluster", into(out.cluster_id), into(out.term), now;
  rows::begin_activation(session, out);
  // It never shrinks, whatever VMs are left: an ordinal would come again.
  run(session,
      "UPDATE event_counter SET order_lead = (SELECT MAX(ordinal) FROM vms) - seq WHERE order_lead < (SELECT "
      "COALESCE(MAX(ordinal), 0) FROM vms) - seq");
  run(session, "COMMIT");
  return out;
}

}  // namespace qarax::server::schema
