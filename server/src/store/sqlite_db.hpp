// One SQLite connection behind one mutex, through Poco::Data: open, migrate, transactions that check the term, and
// writes that may wait for the next one.
#pragma once

#include <Poco/Data/Session.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "qarax/core/files.hpp"
#include "store.hpp"

namespace qarax::server {

class SqliteDb {
 public:
  // Lock, copy before a migration, migrate, new term.
  static Result<std::unique_ptr<SqliteDb>> open(const std::string& path);
  ~SqliteDb();  // writes what waits

  const Activation& activation() const { return activation_; }

  // BEGIN IMMEDIATE, term check, what waits, `work`, COMMIT with the disk's word for it. An Error or exception from
  // `work` rolls back (what had waited is kept waiting).
  Status transact(const std::function<Status(Poco::Data::Session&)>& work);
  // Written with the next transaction, or soon by itself; in the order given.
  void later(std::function<void(Poco::Data::Session&)> work);
  void flush();

  // For the initial load, before any other thread is there.
  Poco::Data::Session& session() { return session_; }

 private:
  explicit SqliteDb(const std::string& path);
  Status migrate(const std::string& path);
  Status activate();
  void background();

  core::Fd lock_;
  Poco::Data::Session session_;
  Activation activation_;
  std::mutex mutex_;
  std::vector<std::function<void(Poco::Data::Session&)>> waiting_;
  std::mutex waiting_mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace qarax::server
