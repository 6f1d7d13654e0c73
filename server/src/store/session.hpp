// A database connection as the store uses it: Poco's session, and beside it the statements of the common changes, which
// are compiled once. Poco compiles at each execution: on SQLite the larger part of a create, on PostgreSQL three more
// round trips (core/decisions/0008). Their texts are of a fixed set: what was compiled is kept. One thread at a time,
// like the connection.
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
  // Runs `sql` with its values, $1 first; `row`, where asked for, gets the first row's numbers and stays as it is where
  // there is no row. Returns how many rows were changed. Throws Poco::Exception.
  virtual std::size_t run(const std::string& sql, const std::vector<SqlValue>& values,
                          std::vector<std::int64_t>* row) = 0;
  // Runs `sql` whose answer nobody needs: it may travel with the next one, whose run() then throws what was refused.
  virtual void post(const std::string& sql, const std::vector<SqlValue>& values) { run(sql, values, nullptr); }
  // What was posted has been carried out when it returns. Throws what was refused of it.
  virtual void settle() {}
  // For a connection that was made anew: it knows none of them.
  virtual void forget() = 0;
  // The connection's next answer is waited for from now on; for now nothing is asked.
  virtual void asked() {}
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
  // As run, for a change that counts nothing: on PostgreSQL it costs no round trip of its own. Whatever is asked next,
  // or settle(), throws what the database refused of it.
  template <class... V>
  void post(const std::string& sql, V&&... values) {
    statements_->post(sql, {value(std::forward<V>(values))...});
  }
  void settle() { statements_->settle(); }
  // The first row's N numbers; zeros where there is none.
  template <std::size_t N, class... V>
  std::array<std::int64_t, N> numbers(const std::string& sql, V&&... values) {
    std::vector<std::int64_t> row(N);
    statements_->run(sql, {value(std::forward<V>(values))...}, &row);
    std::array<std::int64_t, N> out{};
    for (std::size_t i = 0; i < N; ++i) out[i] = row[i];
    return out;
  }
  void forget_statements() { statements_->forget(); }

  // Statements of Poco's, which must not be made in another way: they come after what was posted, and each gets the
  // whole time that a database may take for an answer.
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
