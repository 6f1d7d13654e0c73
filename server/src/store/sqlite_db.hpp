// The database in one SQLite file: opened, locked, migrated.
#pragma once

#include <memory>
#include <string>

#include "database.hpp"
#include "qarax/core/files.hpp"

namespace qarax::server {

class SqliteDb final : public Database {
 public:
  // Takes the file's lock, copies the file before a migration, migrates, starts a new term.
  static Result<std::unique_ptr<SqliteDb>> open(const std::string& path);
  ~SqliteDb() override;  // writes what is queued
  void leave_mark(Session& session) override;

 private:
  explicit SqliteDb(const std::string& path);
  const char* begin_statement() const override { return "BEGIN IMMEDIATE"; }
  std::int64_t read_term() override;
  Status room() const override;

  core::Fd lock_;
};

}  // namespace qarax::server
