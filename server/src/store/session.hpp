// A database connection as the store uses it: Poco's session, and beside it the statements of the common changes, which
// are compiled once. Poco compiles a statement at each execution. On SQLite that is the larger part of a create's cost,
// on PostgreSQL it is three more round trips (core/decisions/0008). The set of statement texts is fixed, so compiled
// statements are kept for the connection's life. One thread at a time, like the connection.
#pragma once

#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <Poco/Nullable.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace qarax::server {

using SqlValue = std::variant<std::monostate, std::int64_t, std::string>;  // NULL, a number, a text

// The compiled statements of one connection, whichever database it is.
class Statements {
 public:
  virtual ~Statements() = default;
  // Runs `sql` with its values, $1 first. If `row` isn't null, it gets the first row's numbers, or stays as it is where
  // there is no row. Returns how many rows were changed. Throws Poco::Exception.
  virtual std::size_t run(const std::string& sql, const std::vector<SqlValue>& values,
                          std::vector<std::int64_t>* row) = 0;
  // Runs `sql` without waiting for its answer: it may be sent together with the next statement. If the database refuses
  // it, this call or a later one throws that: the next run() or settle() at the latest.
  virtual void post(const std::string& sql, const std::vector<SqlValue>& values) { run(sql, values, nullptr); }
  // Waits until all posted statements have been carried out. Throws what the database refused of them.
  virtual void settle() {}
  // Called after the connection was made anew: the database has none of the compiled statements.
  virtual void forget() = 0;
  // Begins the time that the connection's next answer may take.
  virtual void asked() {}
  // No answer is expected for now.
  virtual void rested() {}
};

class Session : public Poco::Data::Session {
 public:
  Session(Poco::Data::Session connection, std::unique_ptr<Statements> statements)
      : Poco::Data::Session(std::move(connection)), statements_(std::move(statements)) {}

  // Values are std::int64_t, std::string, std::optional<std::int64_t> or Poco::Nullable<std::string>.
  template <class... V>
  std::size_t run(const std::string& sql, V&&... values) {
    return statements_->run(sql, {value(std::forward<V>(values))...}, nullptr);
  }
  // As run(), for a statement whose number of changed rows isn't needed: on PostgreSQL it costs no round trip of its
  // own. If the database refuses it, this call or a later one throws that: the next run() or settle() at the latest.
  template <class... V>
  void post(const std::string& sql, V&&... values) {
    statements_->post(sql, {value(std::forward<V>(values))...});
  }
  void settle() { statements_->settle(); }
  // Returns the first row's N numbers, or zeros where there is no row.
  template <std::size_t N, class... V>
  std::array<std::int64_t, N> numbers(const std::string& sql, V&&... values) {
    std::vector<std::int64_t> row(N);
    statements_->run(sql, {value(std::forward<V>(values))...}, &row);
    std::array<std::int64_t, N> out{};
    for (std::size_t i = 0; i < N; ++i) out[i] = row[i];
    return out;
  }
  void forget_statements() { statements_->forget(); }

  // Make statements of Poco's. They must not be made in another way: here they come after all posted statements, and
  // each gets the whole time that a database may take for an answer.
  template <class T>
  Poco::Data::Statement operator<<(const T& text) {
    settle();
    asked();
    return Poco::Data::Session::operator<<(text);
  }
  Poco::Data::Statement statement() {
    settle();
    asked();
    return Poco::Data::Statement(*this);
  }
  void asked() { statements_->asked(); }
  void rested() { statements_->rested(); }

 private:
  static SqlValue value(std::int64_t number) { return number; }
  static SqlValue value(std::string text) { return text; }
  static SqlValue value(const std::optional<std::int64_t>& number) { return number ? SqlValue(*number) : SqlValue(); }
  static SqlValue value(const Poco::Nullable<std::string>& text) {
    return text.isNull() ? SqlValue() : SqlValue(text.value());
  }

  std::unique_ptr<Statements> statements_;
};

}  // namespace qarax::server
