// The database in PostgreSQL, on one connection whose session holds the store's lock: with the connection the lock is
// lost, and it is taken again before anything else is done. Who finds another server's term ends the process.
#pragma once

#include <Poco/Data/PostgreSQL/SessionHandle.h>

#include <memory>
#include <string>

#include "answer_watch.hpp"
#include "database.hpp"
#include "database_url.hpp"

namespace qarax::server {

class PostgresDb final : public Database {
 public:
  // Takes the store's lock, migrates, starts a new term. UNAVAILABLE "store-down": nobody answers there, ask again.
  static Result<std::unique_ptr<PostgresDb>> open(const DatabaseUrl& url);
  ~PostgresDb() override;  // writes what waits, if the database is there
  void stop_waiting() override;

 private:
  PostgresDb(const DatabaseUrl& url, std::unique_ptr<AnswerWatch> watch);
  const char* begin_statement() const override { return "BEGIN"; }
  std::int64_t read_term() override;
  void run(const char* statement) override;
  bool connected() override;
  Status ready() override;
  void serve() override;
  Error refused(const Poco::Exception& e) const override;
  std::optional<bool> took_effect() override;

  std::string ask(const std::string& query);
  void set_up_session();
  void set_limits();
  bool take_lock();
  bool alive();
  bool reconnect();
  void check_where_it_stands();
  void keep();

  // This server's session as the database lists it; the activation that it began with, whatever an adopt makes of it.
  std::string session_name_ = "qarax-server";
  Poco::Data::PostgreSQL::SessionHandle& handle_;
  const std::unique_ptr<AnswerWatch> watch_;  // what is asked and not answered in time loses its connection
  // Of the cluster's row: in the last transaction that is known to have been committed, and in the one under way.
  std::int64_t commits_ = 0;
  std::int64_t attempted_ = 0;
  std::string said_;  // why it can't connect, the last time that was logged

  // While down_, the keeper has the connection to itself; otherwise whoever runs a group has it.
  std::mutex link_mutex_;
  std::condition_variable link_changed_;
  bool down_ = false;
  bool patient_ = true;    // a commit's fate is waited for
  bool forsaken_ = false;  // one wasn't: what memory knows may not be what the database has
  bool closing_ = false;
  std::thread keeper_;
};

}  // namespace qarax::server
