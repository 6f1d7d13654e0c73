// A database of a test's own: a SQLite file in a temporary folder, or a new database on the server that
// QARAX_TEST_POSTGRES names.
#pragma once

#include <Poco/Data/PostgreSQL/Connector.h>
#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "database_url.hpp"
#include "temp_folder.hpp"

namespace qarax::server {

enum class Backend { sqlite, postgres };

class TestDatabase {
 public:
  static bool there(Backend backend) {
    return backend == Backend::sqlite || std::getenv("QARAX_TEST_POSTGRES") != nullptr;
  }
  explicit TestDatabase(Backend backend) {
    if (backend == Backend::sqlite) {
      url_ = sqlite_file(folder_.emplace() / "qarax.db");
      return;
    }
    static int count = 0;
    admin_ = url_ = parse_database_url(std::getenv("QARAX_TEST_POSTGRES")).value();
    url_.database = "qarax_" + std::to_string(getpid()) + "_" + std::to_string(++count);
    execute(admin_, "CREATE DATABASE " + url_.database);
  }
  ~TestDatabase() {
    if (!folder_) execute(admin_, "DROP DATABASE " + url_.database + " WITH (FORCE)");
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const DatabaseUrl& url() const { return url_; }
  // A connection that bypasses the store.
  Poco::Data::Session connection() const { return connect(url_); }
  void execute(const std::string& sql) const { execute(url_, sql); }
  std::string ask(const std::string& sql) const {
    std::string out;
    Poco::Data::Session session = connect(url_);
    session << sql, Poco::Data::Keywords::into(out), Poco::Data::Keywords::now;
    return out;
  }

 private:
  static Poco::Data::Session connect(const DatabaseUrl& url) {
    Poco::Data::SQLite::Connector::registerConnector();
    Poco::Data::PostgreSQL::Connector::registerConnector();
    if (url.is_postgres()) return {Poco::Data::PostgreSQL::Connector::KEY, url.conninfo()};
    return {Poco::Data::SQLite::Connector::KEY, url.path};
  }
  static void execute(const DatabaseUrl& url, const std::string& sql) {
    connect(url) << sql, Poco::Data::Keywords::now;
  }

  std::optional<TempFolder> folder_;  // for SQLite only
  DatabaseUrl url_;
  DatabaseUrl admin_;
};

}  // namespace qarax::server
