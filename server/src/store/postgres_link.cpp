#include "postgres_link.hpp"

#include <Poco/Data/PostgreSQL/Connector.h>
#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string_view>
#include <utility>

#include "postgres_statements.hpp"
#include "postgres_text.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::server {

namespace {

using Poco::Data::PostgreSQL::SessionHandle;
using Poco::Data::PostgreSQL::StatementException;

// Whether a refused connection may be let in later, by the SQLSTATE: 53 is a lack of resources, e.g. too many clients,
// and 57P a database that ends or starts.
bool passes_by_itself(std::string_view message) {
  return message.find(":  53") != std::string_view::npos || message.find(":  57P") != std::string_view::npos;
}

void log_notice(void*, const char* text) {
  core::logger("store")->debug("the database says text={}", core::log_value(one_line(text)));
}

}  // namespace

void cut(const PGconn* connection) { ::shutdown(PQsocket(connection), SHUT_RDWR); }

bool is_connected(const PGconn* connection) {
  if (PQstatus(connection) != CONNECTION_OK) return false;
  pollfd link{PQsocket(connection), 0, 0};
  return ::poll(&link, 1, 0) >= 0 && (link.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

Error database_down(const std::string& name, const std::string& why) {
  Error error = make_error(Code::unavailable, "the database " + name + " isn't reachable: " + why, "store-down");
  error.retryable = true;
  return error;
}

Status reachable(const DatabaseUrl& url) {
  const std::string conninfo = url.conninfo();
  const std::unique_ptr<PGconn, decltype(&PQfinish)> probe(PQconnectdb(conninfo.c_str()), PQfinish);
  if (PQstatus(probe.get()) == CONNECTION_OK) return Ok{};
  const std::string why = one_line(PQerrorMessage(probe.get()));
  const auto answers = [&conninfo] {
    const PGPing ping = PQping(conninfo.c_str());
    return ping != PQPING_NO_RESPONSE && ping != PQPING_REJECT;
  };
  if (!answers()) return database_down(url.shown(), why);
  // It answers by now: it has come back in between, or it doesn't let this server in. Of a connection that is refused
  // libpq has no SQLSTATE but in a message of this kind; the words are in the database's language.
  PQsetErrorVerbosity(probe.get(), PQERRORS_SQLSTATE);
  PQreset(probe.get());
  if (PQstatus(probe.get()) == CONNECTION_OK) return Ok{};
  if (passes_by_itself(PQerrorMessage(probe.get())) || !answers()) return database_down(url.shown(), why);
  return make_error(Code::internal, "the database " + url.shown() + " can't be opened: " + why +
                                        "; correct database (or DATABASE_URL), or let this user in there");
}

Session connect_postgres(const DatabaseUrl& url, AnswerWatch& watch) {
  Poco::Data::PostgreSQL::Connector::registerConnector();
  Poco::Data::Session connection(Poco::Data::PostgreSQL::Connector::KEY, url.conninfo());
  auto statements = postgres_statements(connection, watch);
  return {std::move(connection), std::move(statements)};
}

PostgresLink::PostgresLink(Session& session, AnswerWatch& watch)
    : session_(session), handle_(*Poco::AnyCast<SessionHandle*>(session.getProperty("handle"))), watch_(watch) {
  watch_.follow(PQsocket(handle_));
  PQsetNoticeProcessor(handle_, log_notice, nullptr);
}

std::string PostgresLink::ask(const std::string& query) {
  watch_.asked();
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(handle_, query.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw StatementException(one_line(PQerrorMessage(handle_)));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : std::string();
}

// It reads twice, because the first read may only bring the server's last message, and not yet the end of the stream.
bool PostgresLink::alive() {
  const auto good = [this] { return PQstatus(handle_) == CONNECTION_OK; };
  return good() && PQconsumeInput(handle_) == 1 && PQconsumeInput(handle_) == 1 && good();
}

void PostgresLink::reset() {
  watch_.leave();
  if (!handle_.reset()) throw StatementException(one_line(PQerrorMessage(handle_)));
  watch_.follow(PQsocket(handle_));
  session_.forget_statements();
}

void PostgresLink::reset_to_end() {
  watch_.leave();
  handle_.reset();
}

void PostgresLink::set_up_session(const std::string& name) {
  ask("SET application_name = '" + name + "'");
  // They end a dead server's session, and with it its lock, within seconds.
  ask("SET tcp_keepalives_idle = 5");
  ask("SET tcp_keepalives_interval = 5");
  ask("SET tcp_keepalives_count = 3");
  // Otherwise a prepared statement keeps a plan made for the few rows of its first executions, while the fleet grows.
  ask("SET plan_cache_mode = force_custom_plan");
}

void PostgresLink::set_limits() {
  ask("SET lock_timeout = '" + std::to_string(kLockWait.count()) + "s'");
  ask("SET statement_timeout = '" + std::to_string(kStatement.count()) + "s'");
}

}  // namespace qarax::server
