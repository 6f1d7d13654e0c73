#include "postgres_statements.hpp"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <libpq-fe.h>

#include <charconv>
#include <string_view>
#include <unordered_map>

#include "postgres_text.hpp"

namespace qarax::server {

namespace {

class PostgresStatements final : public Statements {
 public:
  PostgresStatements(PGconn* connection, AnswerWatch& watch) : connection_(connection), watch_(watch) {}

  std::size_t run(const std::string& sql, const std::vector<SqlValue>& values,
                  std::vector<std::int64_t>* row) override {
    const std::string& name = prepared(sql);
    std::vector<std::string> numbers(values.size());
    std::vector<const char*> texts(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (const auto* value = std::get_if<std::int64_t>(&values[i])) numbers[i] = std::to_string(*value);
      const auto* text = std::get_if<std::string>(&values[i]);
      const bool is_null = std::holds_alternative<std::monostate>(values[i]);
      texts[i] = is_null ? nullptr : text != nullptr ? text->c_str() : numbers[i].c_str();
    }
    asked();
    const Answer answer(
        PQexecPrepared(connection_, name.c_str(), static_cast<int>(texts.size()), texts.data(), nullptr, nullptr, 0));
    check(answer);
    if (row != nullptr && PQntuples(answer.get()) > 0)
      for (std::size_t i = 0; i < row->size(); ++i) {
        const int column = static_cast<int>(i);
        if (column >= PQnfields(answer.get()) || PQgetisnull(answer.get(), 0, column) != 0)
          throw Poco::Data::PostgreSQL::StatementException("no number in column " + std::to_string(i) + " of " + sql);
        (*row)[i] = number(PQgetvalue(answer.get(), 0, column));
      }
    return static_cast<std::size_t>(number(PQcmdTuples(answer.get())));
  }

  void forget() override { names_.clear(); }
  void asked() override { watch_.asked(); }
  void rested() override { watch_.rest(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;

  // Nothing said is 0.
  static std::int64_t number(std::string_view text) {
    std::int64_t out = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (!text.empty() && (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()))
      throw Poco::Data::PostgreSQL::StatementException("not a number: " + std::string(text));
    return out;
  }

  void check(const Answer& answer) const {
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      throw Poco::Data::PostgreSQL::StatementException(one_line(PQerrorMessage(connection_)));
  }

  const std::string& prepared(const std::string& sql) {
    if (const auto found = names_.find(sql); found != names_.end()) return found->second;
    std::string name = "qarax_" + std::to_string(++last_);
    asked();
    check(Answer(PQprepare(connection_, name.c_str(), sql.c_str(), 0, nullptr)));
    return names_.emplace(sql, std::move(name)).first->second;
  }

  PGconn* const connection_;
  AnswerWatch& watch_;
  std::uint64_t last_ = 0;  // also of those that were forgotten: a name is never used twice
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace

std::unique_ptr<Statements> postgres_statements(const Poco::Data::Session& connection, AnswerWatch& watch) {
  auto& handle = *Poco::AnyCast<Poco::Data::PostgreSQL::SessionHandle*>(connection.getProperty("handle"));
  return std::make_unique<PostgresStatements>(handle, watch);
}

}  // namespace qarax::server
