// Where the database is: sqlite:///absolute/path, or postgres://user:password@host:port/database (postgresql:// too).
// Parsed strictly. Neither error messages nor shown() ever contain the password. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qarax/result.hpp"

namespace qarax::server {

struct DatabaseUrl {
  std::string path;  // of the SQLite file; empty: PostgreSQL
  std::string user;
  std::string password;
  std::string host;  // or the folder of a unix socket
  std::string port = "5432";
  std::string database;
  std::vector<std::pair<std::string, std::string>> options;  // sslmode and the like

  bool is_postgres() const { return path.empty(); }
  std::string shown() const;  // for logs and messages
  // libpq's connection string, which Poco splits at blanks: no part may contain a blank.
  std::string conninfo() const;
  bool operator==(const DatabaseUrl&) const = default;
};

DatabaseUrl sqlite_file(std::string path);
// Errors: INVALID_ARGUMENT with what is wrong and what is expected.
Result<DatabaseUrl> parse_database_url(std::string_view url);

}  // namespace qarax::server
