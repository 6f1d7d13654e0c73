#include "postgres_db.hpp"

#include <Poco/Data/PostgreSQL/Connector.h>
#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <Poco/Data/Statement.h>
#include <libpq-fe.h>

#include <cstdlib>

#include "postgres_link.hpp"
#include "postgres_statements.hpp"
#include "postgres_text.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"
#include "schema.hpp"
#include "sql_store.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::PostgreSQL::SessionHandle;
using Poco::Data::PostgreSQL::StatementException;

// "qarax" in ASCII. An advisory lock is local to its database, so each database has one active server.
constexpr std::int64_t kLock = 0x7161726178;
constexpr auto kLookEvery = std::chrono::milliseconds(500);
constexpr auto kRetryEvery = std::chrono::milliseconds(200);
// Limits for waiting for another session's lock, for a statement and for any answer. The database's own two limits are
// shorter, because they cost only the transaction; the last one costs the connection.
constexpr std::chrono::seconds kLockWait{3};
constexpr std::chrono::seconds kStatement = kLockWait + std::chrono::seconds(1);
constexpr std::chrono::seconds kAnswer = kStatement + std::chrono::seconds(1);
constexpr std::chrono::minutes kOpening{10};            // a migration may rewrite a table, and nobody is served yet
constexpr auto kBlip = std::chrono::milliseconds(300);  // how long a request waits for a lost connection to come back

Session connect(const DatabaseUrl& url, AnswerWatch& watch) {
  Poco::Data::PostgreSQL::Connector::registerConnector();
  Poco::Data::Session connection(Poco::Data::PostgreSQL::Connector::KEY, url.conninfo());
  auto statements = postgres_statements(connection, watch);
  return {std::move(connection), std::move(statements)};
}

SessionHandle& handle_of(Session& session) { return *Poco::AnyCast<SessionHandle*>(session.getProperty("handle")); }

Error down(const std::string& name, const std::string& why) {
  Error error = make_error(Code::unavailable, "the database " + name + " isn't reachable: " + why, "store-down");
  error.retryable = true;
  return error;
}

// Not "store-down": what takes longer than kOpening, and is rolled back then, does so at the next attempt as well.
Error never_answered(const std::string& name) {
  return make_error(Code::internal, "the database " + name + " left a statement unanswered for " +
                                        std::to_string(kOpening.count()) +
                                        " minutes while it was opened; see there what runs and what it waits for");
}

// Whether a refused connection may be let in later, by the SQLSTATE: 53 is a lack of resources, e.g. too many clients,
// and 57P a database that ends or starts.
bool passes_by_itself(std::string_view message) {
  return message.find(":  53") != std::string_view::npos || message.find(":  57P") != std::string_view::npos;
}

// "store-down" is only for what may pass by itself. A refused password or a missing database doesn't.
Status reachable(const DatabaseUrl& url) {
  const std::string conninfo = url.conninfo();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(PQconnectdb(conninfo.c_str()), PQfinish);
  if (PQstatus(probe.get()) == CONNECTION_OK) return Ok{};
  const std::string why = one_line(PQerrorMessage(probe.get()));
  const auto answers = [&conninfo] {
    const PGPing ping = PQping(conninfo.c_str());
    return ping != PQPING_NO_RESPONSE && ping != PQPING_REJECT;
  };
  if (!answers()) return down(url.shown(), why);
  // It answers by now: it has come back in between, or it doesn't let this server in. Of a connection that is refused
  // libpq has no SQLSTATE but in a message of this kind; the words are in the database's language.
  PQsetErrorVerbosity(probe.get(), PQERRORS_SQLSTATE);
  PQreset(probe.get());
  if (PQstatus(probe.get()) == CONNECTION_OK) return Ok{};
  if (passes_by_itself(PQerrorMessage(probe.get())) || !answers()) return down(url.shown(), why);
  return make_error(Code::internal, "the database " + url.shown() + " can't be opened: " + why +
                                        "; correct database (or DATABASE_URL), or let this user in there");
}

void log_notice(void*, const char* text) {
  core::logger("store")->debug("the database says text={}", core::log_value(one_line(text)));
}

[[noreturn]] void end_process(const std::string& why) {
  core::logger("store")->error("ending: {}", why);
  core::flush_logs();
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

PostgresDb::PostgresDb(const DatabaseUrl& url, std::unique_ptr<AnswerWatch> watch)
    : Database(connect(url, *watch), url.shown()), handle_(handle_of(session_)), watch_(std::move(watch)) {
  watch_->follow(PQsocket(handle_));
  PQsetNoticeProcessor(handle_, log_notice, nullptr);
}

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
    if (db->ask("SHOW server_encoding") != "UTF8")
      return make_error(Code::failed_precondition,
                        "the database " + db->name_ + " isn't encoded in UTF8; create it with ENCODING 'UTF8'");
    if (db->ask("SHOW fsync") != "on")
      core::logger("store")->warn("the database's server runs with fsync = off: a power cut loses what was answered");
    db->watch_->allow(kOpening);
    is_patient = true;
    const schema::Dialect dialect{db->name_, db->begin_statement(), "BIGINT", {}};
    QARAX_CHECK(schema::migrate(db->session_, dialect));
    db->become(schema::activate(db->session_, dialect));
    db->session_name_ = "qarax-server " + db->activation().id;
    db->set_up_session();
    db->commits_ = db->attempted_ = std::stoll(db->ask("SELECT commits FROM cluster"));
    return db;
  } catch (const Poco::Exception& e) {
    const bool lost = db ? !db->connected() : dynamic_cast<const Poco::Data::ConnectionFailedException*>(&e) != nullptr;
    const bool too_slow = is_patient && db->watch_->has_cut();
    db.reset();
    QARAX_CHECK(reachable(url));
    if (too_slow) return never_answered(url.shown());
    // The database was away for a moment only, or had no room for this connection beside the one that asked.
    if (lost) return down(url.shown(), one_line(e.displayText()));
    return make_error(Code::internal, "the database " + url.shown() + " can't be opened: " + one_line(e.displayText()) +
                                          "; its user must own it and nothing else use it: correct that, or "
                                          "database (or DATABASE_URL)");
  }
}

void PostgresDb::serve() {
  set_limits();
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
    // Poco's session frees only a connection that lives, and whoever waits for the database opens it again and again.
    // So it is connected once more, which takes connect_timeout at most; where the database is still away its memory is
    // lost.
    watch_->leave();
    handle_.reset();
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
      ask(statement);
    } catch (const Poco::Exception&) {
      // The next group must not begin inside this transaction. A connection that is made anew has none.
      if (text == "ROLLBACK") cut(handle_);
      throw;
    }
  } else {
    session_.post(statement);
  }
}

// Runs a query without parameters in one round trip, where Poco takes four, and returns the first row's first column.
std::string PostgresDb::ask(const std::string& query) {
  watch_->asked();
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(handle_, query.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw StatementException(one_line(PQerrorMessage(handle_)));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : std::string();
}

// The update locks the row as FOR SHARE would: no other server can begin a term before this transaction's end. Its
// counter tells, after a lost connection, whether the transaction was committed.
std::int64_t PostgresDb::read_term() {
  const auto [term, commits] = session_.numbers<2>("UPDATE cluster SET commits = commits + 1 RETURNING term, commits");
  attempted_ = commits;
  if (term != activation().term) end_process("another server has taken over the database " + name_);
  return term;
}

bool PostgresDb::connected() { return is_connected(handle_); }

// Notices a connection that was closed while nobody used it. It reads twice, because the first read may only bring the
// server's last message, and not yet the end of the stream.
bool PostgresDb::alive() {
  const auto good = [this] { return PQstatus(handle_) == CONNECTION_OK; };
  return good() && PQconsumeInput(handle_) == 1 && PQconsumeInput(handle_) == 1 && good();
}

Status PostgresDb::ready() {
  std::unique_lock lock(link_mutex_);
  if (forsaken_) return not_now();
  if (!down_) {
    if (alive()) return Ok{};
    down_ = true;
    link_changed_.notify_all();
    link_changed_.wait_for(lock, kBlip, [&] { return closing_ || !down_; });
  }
  if (down_) return not_now();
  return Ok{};
}

// Nobody else looks at the connection yet. What failed while it held is the database's own fault.
Error PostgresDb::unreadable(const Poco::Exception& e) {
  if (watch_->has_cut()) return never_answered(name_);
  return connected() ? Database::unreadable(e) : down(name_, one_line(e.displayText()));
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
  // These settings are gone after each reset of the connection. The name lets this server find and end its old session
  // when the link to it was cut. The keepalives end a dead server's session, and with it the lock, within seconds.
  ask("SET application_name = '" + session_name_ + "'");
  ask("SET tcp_keepalives_idle = 5");
  ask("SET tcp_keepalives_interval = 5");
  ask("SET tcp_keepalives_count = 3");
  // Otherwise a prepared statement keeps a plan made for the few rows of its first executions, while the fleet grows.
  ask("SET plan_cache_mode = force_custom_plan");
  ask("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'");
}

// These settings, too, are gone after a reset of the connection.
void PostgresDb::set_limits() {
  ask("SET lock_timeout = '" + std::to_string(kLockWait.count()) + "s'");
  ask("SET statement_timeout = '" + std::to_string(kStatement.count()) + "s'");
}

bool PostgresDb::take_lock() { return ask("SELECT pg_try_advisory_lock(" + std::to_string(kLock) + ")") == "t"; }

void PostgresDb::check_where_it_stands() {
  const std::int64_t term = std::stoll(ask("SELECT term FROM cluster"));
  if (term == activation().term) return;
  // The commit of this server's adopt may have begun this term although its answer was lost. A term that another server
  // began may have the same number, but not the same activation.
  const Activation next = possible_next();
  if (term != next.term || ask("SELECT count(*) FROM activations WHERE id = '" + next.id + "'") != "1")
    end_process("another server has taken over the database " + name_);
}

// True when the connection, the lock and the term are this server's again, and commits_ is what the database has.
bool PostgresDb::reconnect() {
  try {
    watch_->leave();
    if (!handle_.reset()) throw StatementException(one_line(PQerrorMessage(handle_)));
    watch_->follow(PQsocket(handle_));
    session_.forget_statements();
    set_up_session();
    set_limits();
    check_where_it_stands();
    // After a link that was cut silently, the old session lives on at the database and holds the lock.
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" + session_name_ +
        "' AND pid <> pg_backend_pid()");
    // Getting the lock proves that the old session has ended, and with it the commit that it may have been in.
    if (!take_lock()) throw StatementException("another session holds the lock; the one of before may not have ended");
    check_where_it_stands();
    // This is an update, not a query: its commit waits for whatever the previous commit had to wait for, for example a
    // synchronous standby. So once it has returned the previous one counts as well.
    const std::int64_t commits = std::stoll(ask("UPDATE cluster SET commits = commits RETURNING commits"));
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
          down_ = down_ || !alive();
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
