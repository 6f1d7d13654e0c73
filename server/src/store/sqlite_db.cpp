#include "sqlite_db.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/Utility.h>
#include <Poco/Data/Statement.h>
#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>

#include "migrations.hpp"
#include "qarax/core/clock.hpp"
#include "qarax/core/ids.hpp"
#include "rows.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::Session;

void run(Session& session, const std::string& sql) { session << sql, now; }

std::int64_t number(Session& session, const std::string& sql) {
  std::int64_t out = 0;
  session << sql, into(out), now;
  return out;
}

void run_script(Session& session, std::string_view sql) {
  while (!sql.empty()) {
    const std::size_t end = sql.find(";\n");
    const std::string_view one = sql.substr(0, end);
    if (one.find_first_not_of(" \n;") != std::string_view::npos) run(session, std::string(one));
    sql = end == std::string_view::npos ? std::string_view() : sql.substr(end + 2);
  }
}

}  // namespace

SqliteDb::SqliteDb(const std::string& path)
    : Database(Session("SQLite", path), {"BEGIN IMMEDIATE", "SELECT term FROM cluster"}) {}

Result<std::unique_ptr<SqliteDb>> SqliteDb::open(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  QARAX_CHECK(core::make_folder(folder));
  core::Fd lock(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return core::errno_error("the database's folder " + folder + " can't be written", errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return make_error(
        Code::failed_precondition,
        "another qarax-server uses the database " + path + "; end it first, or give this one a database of its own",
        "store-locked");
  try {
    Poco::Data::SQLite::Connector::registerConnector();
    std::unique_ptr<SqliteDb> db(new SqliteDb(path));
    db->lock_ = std::move(lock);
    run(db->session_, "PRAGMA journal_mode = WAL");
    run(db->session_, "PRAGMA synchronous = FULL");
    run(db->session_, "PRAGMA foreign_keys = ON");
    QARAX_CHECK(db->migrate(path));
    QARAX_CHECK(db->activate());
    db->start();
    return db;
  } catch (const Poco::Exception& e) {
    return make_error(Code::internal, "the database " + path + " can't be opened: " + e.displayText());
  }
}

SqliteDb::~SqliteDb() { stop(); }

Status SqliteDb::migrate(const std::string& path) {
  run(session_,
      "CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, min_reader INTEGER NOT NULL, at TEXT NOT "
      "NULL)");
  const std::int64_t have = number(session_, "SELECT COALESCE(MAX(number), 0) FROM schema_version");
  const std::int64_t min_reader = number(session_, "SELECT COALESCE(MAX(min_reader), 0) FROM schema_version");
  const std::int64_t ours = migrations().back().number;
  if (min_reader > ours)
    return make_error(Code::failed_precondition, "the database " + path + " has schema " + std::to_string(have) +
                                                     ", which needs a server that knows schema " +
                                                     std::to_string(min_reader) + "; this one knows " +
                                                     std::to_string(ours) + ": upgrade it");
  if (have > 0 && have < ours) {
    const std::string copy = path + ".before-" + std::to_string(ours);
    run(session_, "PRAGMA wal_checkpoint(TRUNCATE)");
    std::error_code error;
    std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing, error);
    if (error)
      return make_error(Code::internal,
                        "the database can't be copied to " + copy + " before its migration: " + error.message());
  }
  for (const Migration& migration : migrations()) {
    if (migration.number <= have) continue;
    run(session_, "BEGIN IMMEDIATE");
    try {
      run_script(session_, migration.sql);
      std::int64_t n = migration.number;
      std::int64_t reader = migration.min_reader;
      std::string at = core::to_rfc3339(std::chrono::system_clock::now());
      session_ << "INSERT INTO schema_version (number, min_reader, at) VALUES (?, ?, ?)", use(n), use(reader), use(at),
          now;
      run(session_, "COMMIT");
    } catch (const Poco::Exception& e) {
      run(session_, "ROLLBACK");
      return make_error(Code::internal, "migration " + std::to_string(migration.number) +
                                            " of the database failed and was undone: " + e.displayText());
    }
  }
  return Ok{};
}

Status SqliteDb::activate() {
  activation_.id = core::new_uuid();
  run(session_, "BEGIN IMMEDIATE");
  std::string fresh = core::new_uuid();
  session_ << "INSERT INTO cluster (one, cluster_id, term) VALUES (1, ?, 0) ON CONFLICT DO NOTHING", use(fresh), now;
  run(session_, "UPDATE cluster SET term = term + 1");
  session_ << "SELECT cluster_id, term FROM cluster", into(activation_.cluster_id), into(activation_.term), now;
  std::string at = core::to_rfc3339(std::chrono::system_clock::now());
  session_ << "INSERT INTO activations (term, id, at) VALUES (?, ?, ?)", use(activation_.term), use(activation_.id),
      use(at), now;
  run(session_, "COMMIT");
  return Ok{};
}

Result<std::unique_ptr<Store>> open_sqlite(const std::string& path) {
  QARAX_TRY(std::unique_ptr<Database> db, SqliteDb::open(path));
  try {
    return std::unique_ptr<Store>(std::make_unique<SqlStore>(std::move(db)));
  } catch (const Poco::Exception& e) {
    return make_error(Code::data_loss, "the database " + path + " can't be read: " + e.displayText());
  } catch (const rows::BadRow& e) {
    return make_error(Code::data_loss, "the database " + path + " holds a damaged row: " + e.what());
  }
}

}  // namespace qarax::server
