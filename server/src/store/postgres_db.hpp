// The database in PostgreSQL. All changes take one connection, whose session holds the store's lock. Losing the
// connection loses the lock; it is taken again before anything else is done. A server that then finds another server's
// term in the database ends its process.
#pragma once

#include <memory>
#include <string>

#include "answer_watch.hpp"
#include "database.hpp"
#include "database_url.hpp"
#include "postgres_link.hpp"

namespace qarax::server {

class PostgresDb final : public Database {
 public:
  // Takes the store's lock, migrates, starts a new term. UNAVAILABLE "store-down": no PostgreSQL answers there; try
  // again.
  static Result<std::unique_ptr<PostgresDb>> open(const DatabaseUrl& url);
  ~PostgresDb() override;  // writes what is queued, if the database is there
  void stop_waiting() override;
  Error unreadable(const Poco::Exception& e) override;

 private:
  PostgresDb(const DatabaseUrl& url, std::unique_ptr<AnswerWatch> watch);
  const char* begin_statement() const override { return "BEGIN"; }
  std::int64_t read_term() override;
  void run(const char* statement) override;
  bool connected() override { return link_.connected(); }
  Status ready() override;
  Status readable() override;
  void serve() override;
  Error refused(const Poco::Exception& e) const override;
  std::optional<bool> took_effect() override;

  void set_up_session();
  bool take_lock();
  bool reconnect();
  void check_where_it_stands();
  void keep();

  // Name of this server's session in pg_stat_activity. It contains the id of the activation that the server began with,
  // and stays the same when an adopt begins another one.
  std::string session_name_ = "qarax-server";
  const std::unique_ptr<AnswerWatch> watch_;  // ends the connection if an answer takes too long
  PostgresLink link_;
  // Values of cluster.commits: after the last transaction known to be committed, and in the one under way.
  std::int64_t commits_ = 0;
  std::int64_t attempted_ = 0;
  std::string said_;  // the reason for the failed connect that was logged last

  // While down_ is set, only the keeper thread uses the connection; otherwise only the thread that runs a group.
  std::mutex link_mutex_;
  std::condition_variable link_changed_;
  bool down_ = false;
  bool patient_ = true;    // false after stop_waiting(): nobody waits to learn whether a commit took effect
  bool forsaken_ = false;  // a commit's outcome was never learned, so memory and database may differ
  bool closing_ = false;
  std::thread keeper_;
};

}  // namespace qarax::server
