#include "postgres_db.hpp"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>

#include <cstdlib>

#include "postgres_reader.hpp"
#include "postgres_text.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "schema.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {

using Poco::Data::PostgreSQL::StatementException;

// "qarax" in ASCII. An advisory lock is local to its database, so each database has one active server.
constexpr std::int64_t kLock = 0x7161726178;
constexpr auto kLookEvery = std::chrono::milliseconds(500);
constexpr auto kRetryEvery = std::chrono::milliseconds(200);
constexpr std::chrono::minutes kOpening{10};            // a migration may rewrite a table, and nobody is served yet
constexpr auto kBlip = std::chrono::milliseconds(300);  // how long a request waits for a lost connection to come back

// Not "store-down": what takes longer than kOpening, and is rolled back then, does so at the next attempt as well.
Error never_answered(const std::string& name) {
  return make_error(Code::internal, "the database " + name + " left a statement unanswered for " +
                                        std::to_string(kOpening.count()) +
                                        " minutes while it was opened; see there what runs and what it waits for");
}

[[noreturn]] void end_process(const std::string& why) {
  core::logger("store")->error("ending: {}", why);
  core::flush_logs();
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

PostgresDb::PostgresDb(const DatabaseUrl& url, std::unique_ptr<AnswerWatch> watch)
    : Database(connect_postgres(url, *watch), url.shown()), watch_(std::move(watch)), link_(session_, *watch_) {}

Result<std::unique_ptr<PostgresDb>> PostgresDb::open(const DatabaseUrl& url) {
  // Checked with libpq first, because a connection that fails to open leaks memory in Poco's session.
  QARAX_CHECK(reachable(url));
  std::unique_ptr<PostgresDb> db;
  bool is_patient = false;
  try {
    db.reset(new PostgresDb(url, std::make_unique<AnswerWatch>(kAnswer)));
    db->set_up_session();
    if (!db->take_lock())
      return make_error(Code::failed_precondition,
                        "another qarax-server uses the database " + db->name_ +
                            "; end it first, or give this one a database of its own",
                        "store-locked");
    if (db->link_.ask("SHOW server_encoding") != "UTF8")
      return make_error(Code::failed_precondition,
                        "the database " + db->name_ + " isn't encoded in UTF8; create it with ENCODING 'UTF8'");
    if (db->link_.ask("SHOW fsync") != "on")
      core::logger("store")->warn("the database's server runs with fsync = off: a power cut loses what was answered");
    db->watch_->allow(kOpening);
    is_patient = true;
    const schema::Dialect dialect{db->name_, db->begin_statement(), "BIGINT", {}};
    QARAX_CHECK(schema::migrate(db->session_, dialect));
    db->become(schema::activate(db->session_, dialect));
    db->session_name_ = "qarax-server " + db->activation().id;
    db->set_up_session();
    db->commits_ = db->attempted_ = std::stoll(db->link_.ask("SELECT commits FROM cluster"));
    QARAX_CHECK(db->open_readers([&url] { return open_postgres_reader(url); }));
    return db;
  } catch (const Poco::Exception& e) {
    const bool lost = db ? !db->connected() : dynamic_cast<const Poco::Data::ConnectionFailedException*>(&e) != nullptr;
    const bool too_slow = is_patient && db->watch_->has_cut();
    db.reset();
    QARAX_CHECK(reachable(url));
    if (too_slow) return never_answered(url.shown());
    // The database was away for a moment only, or had no room for this connection beside the one that asked.
    if (lost) return database_down(url.shown(), one_line(e.displayText()));
    return make_error(Code::internal, "the database " + url.shown() + " can't be opened: " + one_line(e.displayText()) +
                                          "; its user must own it and nothing else use it: correct that, or "
                                          "database (or DATABASE_URL)");
  }
}

void PostgresDb::serve() {
  link_.set_limits();
  watch_->allow(kAnswer);
  watch_->rest();
  start();
  keeper_ = std::thread([this] { keep(); });
}

PostgresDb::~PostgresDb() {
  {
    const std::lock_guard lock(link_mutex_);
    closing_ = true;
  }
  link_changed_.notify_all();
  stop();
  if (keeper_.joinable()) {
    keeper_.join();
  } else if (!connected()) {
    // Whoever waits for the database opens it again and again.
    link_.reset_to_end();
  }
}

void PostgresDb::run(const char* statement) {
  const std::string_view text = statement;
  if (text == "COMMIT") {
    session_.run(statement);
    commits_ = attempted_;
  } else if (text.starts_with("ROLLBACK")) {
    try {
      session_.settle();
    } catch (const Poco::Exception&) {  // the rollback undoes the statement that was refused
    }
    try {
      link_.ask(statement);
    } catch (const Poco::Exception&) {
      // The next group must not begin inside this transaction. A connection that is made anew has none.
      if (text == "ROLLBACK") link_.cut();
      throw;
    }
  } else {
    session_.post(statement);
  }
}

// The update locks the row as FOR SHARE would: no other server can begin a term before this transaction's end. Its
// counter tells, after a lost connection, whether the transaction was committed.
std::int64_t PostgresDb::read_term() {
  const auto [term, commits] = session_.numbers<2>("UPDATE cluster SET commits = commits + 1 RETURNING term, commits");
  attempted_ = commits;
  if (term != activation().term) end_process("another server has taken over the database " + name_);
  return term;
}

Status PostgresDb::ready() {
  std::unique_lock lock(link_mutex_);
  if (forsaken_) return not_now();
  if (!down_) {
    if (link_.alive()) return Ok{};
    down_ = true;
    link_changed_.notify_all();
    link_changed_.wait_for(lock, kBlip, [&] { return closing_ || !down_; });
  }
  if (down_) return not_now();
  return Ok{};
}

// A reader's own connection would be tried for as long as it takes, by each that asks.
Status PostgresDb::readable() {
  std::unique_lock lock(link_mutex_);
  link_changed_.wait_for(lock, kBlip, [&] { return closing_ || forsaken_ || !down_; });
  if (down_ || forsaken_) return not_now();
  return Ok{};
}

// Nobody else looks at the connection yet. What failed while it held is the database's own fault.
Error PostgresDb::unreadable(const Poco::Exception& e) {
  if (watch_->has_cut()) return never_answered(name_);
  return connected() ? Database::unreadable(e) : database_down(name_, one_line(e.displayText()));
}

Error PostgresDb::refused(const Poco::Exception& e) const {
  return watch_->has_cut() ? not_now() : Database::refused(e);
}

std::optional<bool> PostgresDb::took_effect() {
  std::unique_lock lock(link_mutex_);
  const std::int64_t attempted = attempted_;
  core::logger("store")->warn("the connection broke during a commit; whether it took effect is found out");
  down_ = true;
  link_changed_.notify_all();
  link_changed_.wait(lock, [&] { return closing_ || !patient_ || !down_; });
  if (down_) {
    forsaken_ = true;
    core::logger("store")->warn("ending without having found out whether the commit took effect");
    return std::nullopt;
  }
  const bool yes = commits_ == attempted;
  core::logger("store")->info("the commit in question {}", yes ? "took effect" : "did not take effect");
  return yes;
}

void PostgresDb::stop_waiting() {
  {
    const std::lock_guard lock(link_mutex_);
    patient_ = false;
  }
  link_changed_.notify_all();
}

void PostgresDb::set_up_session() {
  // The name lets this server find and end its old session when the link to it was cut.
  link_.set_up_session(session_name_);
  link_.ask("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
}

bool PostgresDb::take_lock() { return link_.ask("SELECT pg_try_advisory_lock(" + std::to_string(kLock) + ")") == "t"; }

void PostgresDb::check_where_it_stands() {
  const std::int64_t term = std::stoll(link_.ask("SELECT term FROM cluster"));
  if (term == activation().term) return;
  // The commit of this server's adopt may have begun this term although its answer was lost. A term that another server
  // began may have the same number, but not the same activation.
  const Activation next = possible_next();
  if (term != next.term || link_.ask("SELECT count(*) FROM activations WHERE id = '" + next.id + "'") != "1")
    end_process("another server has taken over the database " + name_);
}

// True when the connection, the lock and the term are this server's again, and commits_ is what the database has.
bool PostgresDb::reconnect() {
  try {
    link_.reset();
    set_up_session();
    link_.set_limits();
    check_where_it_stands();
    // After a link that was cut silently, the old session lives on at the database and holds the lock.
    link_.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" + session_name_ +
              "' AND pid <> pg_backend_pid()");
    // Getting the lock proves that the old session has ended, and with it the commit that it may have been in.
    if (!take_lock()) throw StatementException("another session holds the lock; the one of before may not have ended");
    check_where_it_stands();
    // This is an update, not a query: its commit waits for whatever the previous commit had to wait for, for example a
    // synchronous standby. So once it has returned the previous one counts as well.
    const std::int64_t commits = std::stoll(link_.ask("UPDATE cluster SET commits = commits RETURNING commits"));
    if (commits != commits_ && commits != attempted_)
      end_process("the database " + name_ + " isn't where this server left it: it was set back or changed by others");
    commits_ = attempted_ = commits;
    return true;
  } catch (const Poco::Exception& e) {
    if (const std::string why = e.displayText(); why != said_)
      core::logger("store")->warn("not connected to the database again yet reason={}", core::log_value(said_ = why));
  } catch (const std::exception&) {
    end_process("the database " + name_ + " has lost its cluster row");
  }
  return false;
}

void PostgresDb::keep() {
  core::name_this_thread("db-lock");
  const auto log = core::logger("store");
  std::unique_lock lock(link_mutex_);
  bool said = false;
  while (!closing_) {
    if (!down_) {
      link_changed_.wait_for(lock, kLookEvery, [&] { return closing_ || down_; });
      if (closing_ || down_) continue;
      lock.unlock();
      core::guarded("db-lock", [&] {
        between_groups([&] {
          const std::lock_guard look(link_mutex_);
          down_ = down_ || !link_.alive();
        });
      });
      lock.lock();
      continue;
    }
    if (!said) log->error("the connection to the database is lost; changes are refused until it is back");
    said = true;
    lock.unlock();
    bool back = false;
    core::guarded("db-lock", [&] { back = reconnect(); });
    watch_->rest();
    lock.lock();
    if (back) {
      log->info("the database is back, with the lock and the term as they were");
      said = down_ = false;
      said_.clear();
      link_changed_.notify_all();
    } else {
      link_changed_.wait_for(lock, kRetryEvery, [&] { return closing_; });
    }
  }
}

Result<std::unique_ptr<Store>> open_postgres(const DatabaseUrl& url, ClockPtr clock) {
  QARAX_TRY(std::unique_ptr<Database> db, PostgresDb::open(url));
  auto store = SqlStore::load_from(std::move(db), url.shown(), std::move(clock));
  if (!store) QARAX_CHECK(reachable(url));  // says more of a database that is still away
  return store;
}

Result<std::unique_ptr<Store>> open_store(const DatabaseUrl& url, ClockPtr clock) {
  return url.is_postgres() ? open_postgres(url, std::move(clock)) : open_sqlite(url.path, std::move(clock));
}

}  // namespace qarax::server
