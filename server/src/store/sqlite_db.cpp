#include "sqlite_db.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/SQLite/Utility.h>
#include <Poco/Data/Statement.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "qarax/core/logging.hpp"
#include "readers.hpp"
#include "schema.hpp"
#include "sql_store.hpp"
#include "sqlite_statements.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;

void run(Session& session, const std::string& sql) { session << sql, now; }

Session connect(const std::string& path) {
  Poco::Data::Session connection("SQLite", path);
  auto statements = sqlite_statements(connection);
  return {std::move(connection), std::move(statements)};
}

class SqliteReader final : public Reader {
 public:
  explicit SqliteReader(const std::string& path) : session_(connect(path)) {
    run(session_, "PRAGMA busy_timeout = 3000");
    run(session_, "PRAGMA query_only = ON");
  }
  Session& ready() override { return session_; }

 private:
  Session session_;
};

// Copies what was committed, also what only the write-ahead log has: a process that reads can keep a checkpoint from
// moving that into the file. The copy gets its name when it is whole.
Status copy(Session& session, const std::string& path, std::int64_t migration) {
  const std::string copied = path + ".before-" + std::to_string(migration);
  std::string part = copied + ".part";
  const auto refuse = [&](Error why) {
    ::unlink(part.c_str());
    why.message += "; make room there for a second database, or the folder writable, then start again";
    return std::move(why).context("the copy " + copied + " of the database, which is made before its migration");
  };
  ::unlink(part.c_str());  // left by a server that was killed in this function
  const core::Fd file(::open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return refuse(core::errno_error("can't write " + part, errno));
  try {
    session << "VACUUM INTO $1", use(part), now;
  } catch (const Poco::Exception& e) {
    return refuse(make_error(Code::internal, "can't write " + part + ": " + e.displayText()));
  }
  // A migration is on disk when its transaction ends, so the copy of the state before it must be too.
  if (::fsync(file.get()) != 0) return refuse(core::errno_error("can't write " + part, errno));
  if (::rename(part.c_str(), copied.c_str()) != 0) return refuse(core::errno_error("can't write " + copied, errno));
  if (Status synced = core::sync_folder(std::filesystem::path(copied).parent_path().string()); !synced)
    return refuse(std::move(synced).error());
  return Ok{};
}

constexpr std::string_view kKeys = " with database (or DATABASE_URL, or the folder with data_dir)";
constexpr std::int64_t kKeptFree = 16LL << 20;  // of the disk: with less, only changes that free something are accepted
constexpr std::int64_t kFreePages = 256;        // of the file: room for the jobs of some hundred deletes

// Makes the write-ahead log longer than the 1000 pages at which SQLite checkpoints it, so that it is then reused from
// its start: overwriting existing frames takes fewer disk writes than extending the file. A transaction that is rolled
// back leaves its room in the log.
void make_room_in_log(Session& session) {
  run(session, "PRAGMA cache_size = 16");  // so that pages reach the log before the transaction ends
  run(session, "BEGIN IMMEDIATE");
  run(session, "CREATE TABLE room (bytes BLOB)");
  run(session, "INSERT INTO room VALUES (zeroblob(4600000))");
  run(session, "ROLLBACK");
  run(session, "PRAGMA cache_size = -2000");
}

// The log is only reused from its start after a checkpoint. On a full disk a checkpoint needs free pages in the file
// itself.
void make_room_in_file(Session& session) {
  // Left by a server that was killed in this function.
  run(session, "DROP TABLE IF EXISTS room");
  std::int64_t pages = 0;
  session << "PRAGMA freelist_count", into(pages), now;
  if (pages >= kFreePages) return;
  run(session, "CREATE TABLE room (bytes BLOB)");
  run(session, "INSERT INTO room VALUES (zeroblob(2000000))");
  run(session, "DROP TABLE room");
  run(session, "PRAGMA wal_checkpoint(TRUNCATE)");
}

// A full disk must not keep the server from serving what it knows.
void make_room(Session& session, const std::string& path) {
  try {
    make_room_in_file(session);
    make_room_in_log(session);
  } catch (const Poco::Data::SQLite::DatabaseFullException&) {
    core::logger("store")->warn("the disk of the database is full; only what frees something is done path={}", path);
  }
}

}  // namespace

SqliteDb::SqliteDb(const std::string& path) : Database(connect(path), path) {}

std::int64_t SqliteDb::read_term() { return session_.numbers<1>("SELECT term FROM cluster")[0]; }

// The mark has to change a value: setting a row to what it holds changes no page, and then the commit writes nothing.
// On PostgreSQL every transaction counts there.
void SqliteDb::leave_mark(Session& session) { server::run(session, "UPDATE cluster SET commits = commits + 1"); }

Status SqliteDb::room() const {
  struct statvfs disk {};
  if (::statvfs(name_.c_str(), &disk) != 0) return Ok{};  // the change itself will fail and say why
  const auto free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  if (free >= kKeptFree) return Ok{};
  Error error = make_error(Code::resource_exhausted,
                           "the disk of the database " + name_ + " is full: " + std::to_string(free >> 20) +
                               " MiB are left, and below " + std::to_string(kKeptFree >> 20) +
                               " MiB only what ends or deletes something is done",
                           "disk-full");
  error.retryable = true;
  return error;
}

Result<std::unique_ptr<SqliteDb>> SqliteDb::open(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (Status made = core::make_folder(folder); !made) {
    made.error().message += "; make the folder for this user, or name another file" + std::string(kKeys);
    return std::move(made).error().context("the database's folder");
  }
  core::Fd lock(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) {
    Error error = core::errno_error("the database's folder " + folder + " can't be written", errno);
    error.message += "; make it writable for this user, or name another file" + std::string(kKeys);
    return error;
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return make_error(
        Code::failed_precondition,
        "another qarax-server uses the database " + path + "; end it first, or give this one a database of its own",
        "store-locked");
  try {
    Poco::Data::SQLite::Connector::registerConnector();
    std::unique_ptr<SqliteDb> db(new SqliteDb(path));
    db->lock_ = std::move(lock);
    // How long to wait for a backup or a shell that locks the file; not longer, because reports of nodes wait
    // meanwhile.
    db->run("PRAGMA busy_timeout = 3000");
    db->run("PRAGMA journal_mode = WAL");
    db->run("PRAGMA synchronous = FULL");
    db->run("PRAGMA foreign_keys = ON");
    make_room(db->session_, path);
    const schema::Dialect dialect{path, db->begin_statement(), "INTEGER",
                                  [&](std::int64_t before) { return copy(db->session_, path, before); }};
    QARAX_CHECK(schema::migrate(db->session_, dialect));
    db->become(schema::activate(db->session_, dialect));
    QARAX_CHECK(db->open_readers([&path] { return ReaderPtr(std::make_unique<SqliteReader>(path)); }));
    return db;
  } catch (const Poco::Exception& e) {
    return make_error(Code::internal, "the database " + path + " can't be opened: " + e.displayText() +
                                          "; make it readable and writable for this user, restore a backup of it, or "
                                          "name another file" +
                                          std::string(kKeys));
  }
}

SqliteDb::~SqliteDb() { stop(); }

Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, ClockPtr clock) {
  QARAX_TRY(std::unique_ptr<Database> db, SqliteDb::open(path));
  return SqlStore::load_from(std::move(db), path, std::move(clock));
}

}  // namespace qarax::server
