// Where the database is: sqlite:///absolute/path, or postgres://user:password@host:port/database (postgresql:// too).
// Strictly parsed. No message of it, nor shown(), ever holds the password. Any thread.
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
  // What libpq takes, through Poco, which splits it at blanks: that is why no part may hold one.
  std::string conninfo() const;
  bool operator==(const DatabaseUrl&) const = default;
};

DatabaseUrl sqlite_file(std::string path);
// INVALID_ARGUMENT: what is wrong and what is expected.
Result<DatabaseUrl> parse_database_url(std::string_view url);

}  // namespace qarax::server
