#include "sqlite_statements.hpp"

#include <Poco/Data/SQLite/Utility.h>
#include <sqlite3.h>

#include <unordered_map>

namespace qarax::server {

namespace {

class SqliteStatements final : public Statements {
 public:
  explicit SqliteStatements(sqlite3* database) : database_(database) {}

  std::size_t run(const std::string& sql, const std::vector<SqlValue>& values,
                  std::vector<std::int64_t>* row) override {
    sqlite3_stmt* const statement = compiled(sql);
    const Reset reset{statement};
    for (std::size_t i = 0; i < values.size(); ++i) bind(statement, static_cast<int>(i) + 1, values[i]);
    bool first = true;
    for (;;) {
      const int rc = sqlite3_step(statement);
      if (rc == SQLITE_DONE) break;
      if (rc != SQLITE_ROW) fail(rc);
      if (row != nullptr && first)
        for (std::size_t i = 0; i < row->size(); ++i) (*row)[i] = sqlite3_column_int64(statement, static_cast<int>(i));
      first = false;
    }
    return static_cast<std::size_t>(sqlite3_changes(database_));
  }

  void forget() override { statements_.clear(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  // A statement that isn't reset keeps the transaction open, and its bindings point to texts that are gone.
  struct Reset {
    sqlite3_stmt* statement;
    ~Reset() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
  };

  sqlite3_stmt* compiled(const std::string& sql) {
    auto& known = statements_[sql];
    if (!known) {
      sqlite3_stmt* made = nullptr;
      const int rc = sqlite3_prepare_v3(database_, sql.c_str(), static_cast<int>(sql.size()) + 1,
                                        SQLITE_PREPARE_PERSISTENT, &made, nullptr);
      if (rc != SQLITE_OK) {
        statements_.erase(sql);
        fail(rc);
      }
      known.reset(made);
    }
    return known.get();
  }

  void bind(sqlite3_stmt* statement, int at, const SqlValue& value) {
    int rc = SQLITE_OK;
    if (const auto* number = std::get_if<std::int64_t>(&value))
      rc = sqlite3_bind_int64(statement, at, *number);
    else if (const auto* text = std::get_if<std::string>(&value))
      rc = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    else
      rc = sqlite3_bind_null(statement, at);
    if (rc != SQLITE_OK) fail(rc);
  }

  [[noreturn]] void fail(int rc) {
    Poco::Data::SQLite::Utility::throwException(database_, rc);
    throw Poco::Data::DataException("SQLite", rc);  // Poco doesn't treat this code as an error
  }

  sqlite3* const database_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

}  // namespace

std::unique_ptr<Statements> sqlite_statements(const Poco::Data::Session& connection) {
  return std::make_unique<SqliteStatements>(Poco::Data::SQLite::Utility::dbHandle(connection));
}

}  // namespace qarax::server
