// One connection to PostgreSQL as libpq has it, beneath Poco's session: what Poco has no call for, or only a slow one.
#pragma once

#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <libpq-fe.h>

#include <chrono>
#include <string>

#include "answer_watch.hpp"
#include "database_url.hpp"
#include "qarax/result.hpp"
#include "session.hpp"

namespace qarax::server {

// Limits for waiting for another session's lock, for a statement and for any answer. The database's own two limits are
// shorter, because they cost only the transaction; the last one costs the connection.
constexpr std::chrono::seconds kLockWait{3};
constexpr std::chrono::seconds kStatement = kLockWait + std::chrono::seconds(1);
constexpr std::chrono::seconds kAnswer = kStatement + std::chrono::seconds(1);

// Ends the connection for the database, which then rolls the open transaction back. libpq notices with its next read.
void cut(const PGconn* connection);
// False as well after cut(), although libpq may not have noticed yet.
bool is_connected(const PGconn* connection);

// Ok if the database lets this server in now. UNAVAILABLE "store-down" where it doesn't and that may pass by itself; a
// refused password or a missing database doesn't: INTERNAL.
Status reachable(const DatabaseUrl& url);
Error database_down(const std::string& name, const std::string& why);  // that "store-down"

// Poco's session, whose answers `watch` waits for. Throws Poco::Exception. A connection that can't be opened leaks
// memory in Poco, so reachable() is to be asked first.
Session connect_postgres(const DatabaseUrl& url, AnswerWatch& watch);

// The connection beneath `session`; both it and `watch` outlive this. One thread at a time, like the connection. What
// fails throws Poco::Exception.
class PostgresLink {
 public:
  PostgresLink(Session& session, AnswerWatch& watch);

  // Runs a query without parameters in one round trip, where Poco takes four, and returns the first row's first column.
  std::string ask(const std::string& query);
  bool connected() const { return is_connected(handle_); }
  // Notices a connection that was closed while nobody used it.
  bool alive();
  void cut() { server::cut(handle_); }
  // Connects once more. No setting, lock or compiled statement is left.
  void reset();
  // The last connect of one that has broken, before it ends: Poco's session frees only a connection that lives. Where
  // the database is still away its memory is lost.
  void reset_to_end();
  // `name`: of the session in pg_stat_activity.
  void set_up_session(const std::string& name);
  // Those of normal operation.
  void set_limits();

 private:
  Session& session_;
  Poco::Data::PostgreSQL::SessionHandle& handle_;
  AnswerWatch& watch_;
};

}  // namespace qarax::server
