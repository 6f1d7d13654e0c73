// A database connection that compiles a statement once. Of a small change the compiling is the larger part: half of the
// instructions of a create on SQLite, and on PostgreSQL two more round trips. One thread at a time, like the connection.
#pragma once

#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <typeindex>
#include <utility>

namespace qarax::server {

class Session : public Poco::Data::Session {
 public:
  explicit Session(Poco::Data::Session connection) : Poco::Data::Session(std::move(connection)) {}

  // How many rows it changed. Values ($1, $2…) are std::string, std::int64_t or Poco::Nullable of them. Throws
  // Poco::Exception; what failed is compiled anew the next time.
  template <class... V>
  std::size_t run(const std::string& sql, V... values) {
    std::size_t changed = 0;
    use_statement<std::tuple<>>(sql, std::make_tuple(std::move(values)...),
                                [&](auto& one) { changed = one.statement.execute(); });
    return changed;
  }

  // The one row that it gives, as a std::tuple; its members as constructed where there is none.
  template <class Row, class... V>
  Row get(const std::string& sql, V... values) {
    Row row;
    use_statement<Row>(sql, std::make_tuple(std::move(values)...), [&](auto& one) {
      one.row = Row{};
      one.statement.execute();
      row = one.row;
    });
    return row;
  }

  // For a connection that was made anew: it knows none of them.
  void forget_statements() { statements_.clear(); }

 private:
  struct Compiled {
    virtual ~Compiled() = default;
  };
  // Poco binds to where the values stand, so they and the statement live together.
  template <class Row, class Values>
  struct Bound final : Compiled {
    Bound(Poco::Data::Session& session, const std::string& sql) : statement(session) {
      using namespace Poco::Data::Keywords;
      statement << sql;
      std::apply([&](auto&... value) { ((statement, use(value)), ...); }, values);
      std::apply([&](auto&... value) { ((statement, into(value)), ...); }, row);
    }
    Values values;
    Row row;
    Poco::Data::Statement statement;
  };

  template <class Row, class Values, class F>
  void use_statement(const std::string& sql, Values values, F execute) {
    using One = Bound<Row, Values>;
    const Key key{sql, typeid(One)};
    auto& known = statements_[key];
    if (!known) known = std::make_unique<One>(*this, sql);
    auto& one = static_cast<One&>(*known);
    one.values = std::move(values);
    try {
      execute(one);
    } catch (...) {
      statements_.erase(key);
      throw;
    }
  }

  using Key = std::pair<std::string, std::type_index>;
  std::map<Key, std::unique_ptr<Compiled>> statements_;
};

}  // namespace qarax::server
