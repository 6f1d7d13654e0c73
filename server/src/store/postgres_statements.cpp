#include "postgres_statements.hpp"

#include <Poco/Data/PostgreSQL/PostgreSQLException.h>
#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "postgres_link.hpp"
#include "postgres_text.hpp"

namespace qarax::server {

namespace {

using Poco::Data::PostgreSQL::StatementException;

class PostgresStatements final : public Statements {
 public:
  PostgresStatements(PGconn* connection, AnswerWatch& watch) : connection_(connection), watch_(watch) {}

  std::size_t run(const std::string& sql, const std::vector<SqlValue>& values,
                  std::vector<std::int64_t>* row) override {
    prepare(sql);
    const Texts texts(values);
    asked();
    const Answer answer = posted_ == 0 ? answer_alone(sql, texts) : answer_behind_posted(sql, texts);
    check(answer);
    // COMMIT of a failed transaction rolls it back and reports no error, only another command tag.
    if (sql == "COMMIT" && std::string_view(PQcmdStatus(answer.get())) != "COMMIT")
      throw StatementException("the commit was refused");
    if (row != nullptr && PQntuples(answer.get()) > 0)
      for (std::size_t i = 0; i < row->size(); ++i) {
        const int column = static_cast<int>(i);
        if (column >= PQnfields(answer.get()) || PQgetisnull(answer.get(), 0, column) != 0)
          throw StatementException("no number in column " + std::to_string(i) + " of " + sql);
        (*row)[i] = number(PQgetvalue(answer.get(), 0, column));
      }
    return static_cast<std::size_t>(number(PQcmdTuples(answer.get())));
  }

  void post(const std::string& sql, const std::vector<SqlValue>& values) override {
    prepare(sql);
    if (posted_ == 0 && PQenterPipelineMode(connection_) != 1) give_up();
    send(sql, Texts(values));
  }

  void settle() override {
    if (posted_ == 0) return;
    asked();
    collect();
  }

  void forget() override {
    names_.clear();
    posted_ = 0;
  }
  void asked() override { watch_.asked(); }
  void rested() override { watch_.rest(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;

  // The values as libpq takes them. Points into `values`, which must outlive this object.
  class Texts {
   public:
    explicit Texts(const std::vector<SqlValue>& values) : numbers_(values.size()), texts_(values.size()) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (const auto* value = std::get_if<std::int64_t>(&values[i])) numbers_[i] = std::to_string(*value);
        const auto* text = std::get_if<std::string>(&values[i]);
        const bool is_null = std::holds_alternative<std::monostate>(values[i]);
        texts_[i] = is_null ? nullptr : text != nullptr ? text->c_str() : numbers_[i].c_str();
      }
    }
    int count() const { return static_cast<int>(texts_.size()); }
    const char* const* data() const { return texts_.data(); }

   private:
    std::vector<std::string> numbers_;
    std::vector<const char*> texts_;
  };

  // An empty text is 0: libpq gives one for a command that changes no rows.
  static std::int64_t number(std::string_view text) {
    std::int64_t out = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (!text.empty() && (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()))
      throw StatementException("not a number: " + std::string(text));
    return out;
  }

  [[noreturn]] void fail() const { throw StatementException(one_line(PQerrorMessage(connection_))); }

  // For a connection that may be out of step with this code, still in pipeline mode or with a transaction open: it
  // would give one statement's answer to another. So it is cut, and made anew before it is used again.
  [[noreturn]] void give_up(const std::string& why = {}) const {
    StatementException said(why.empty() ? one_line(PQerrorMessage(connection_)) : why);
    cut(connection_);
    throw said;
  }

  static bool good(const Answer& answer) {
    const ExecStatusType status = PQresultStatus(answer.get());
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  }
  void check(const Answer& answer) const {
    if (!good(answer)) fail();
  }

  // BEGIN, COMMIT and their like have no plan that is worth keeping.
  static bool is_control(std::string_view sql) {
    constexpr std::string_view kWords[] = {"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"};
    return std::any_of(std::begin(kWords), std::end(kWords), [&](auto word) { return sql.starts_with(word); });
  }

  void send(const std::string& sql, const Texts& texts) {
    ++posted_;
    const int sent = is_control(sql)
                         ? PQsendQueryParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0)
                         : PQsendQueryPrepared(connection_, names_.at(sql).c_str(), texts.count(), texts.data(),
                                               nullptr, nullptr, 0);
    if (sent != 1) give_up();
  }

  Answer answer_alone(const std::string& sql, const Texts& texts) {
    if (is_control(sql)) return Answer(PQexec(connection_, sql.c_str()));
    return Answer(
        PQexecPrepared(connection_, names_.at(sql).c_str(), texts.count(), texts.data(), nullptr, nullptr, 0));
  }
  Answer answer_behind_posted(const std::string& sql, const Texts& texts) {
    send(sql, texts);
    return collect();
  }

  // Ends the pipeline and returns the answer to the last posted statement. Throws the first refusal: the database has
  // skipped all statements after it.
  Answer collect() {
    if (PQpipelineSync(connection_) != 1) give_up();
    Answer last;
    std::string refused;
    for (std::size_t waiting = std::exchange(posted_, 0); waiting > 0; --waiting) {
      last.reset(PQgetResult(connection_));
      if (refused.empty() && !good(last)) refused = one_line(PQresultErrorMessage(last.get()));
      const Answer end_of_it(PQgetResult(connection_));
      if (PQstatus(connection_) != CONNECTION_OK) fail();
      asked();
    }
    const Answer synced(PQgetResult(connection_));
    if (PQresultStatus(synced.get()) != PGRES_PIPELINE_SYNC || PQexitPipelineMode(connection_) != 1)
      give_up("the database's answers are not those to what was asked");
    if (!refused.empty()) throw StatementException(refused);
    return last;
  }

  void prepare(const std::string& sql) {
    if (is_control(sql) || names_.contains(sql)) return;
    settle();
    std::string name = "qarax_" + std::to_string(++last_);
    asked();
    check(Answer(PQprepare(connection_, name.c_str(), sql.c_str(), 0, nullptr)));
    names_.emplace(sql, std::move(name));
  }

  PGconn* const connection_;
  AnswerWatch& watch_;
  std::uint64_t last_ = 0;  // number in the last name; forget() doesn't reset it, so no name is used twice
  std::size_t posted_ = 0;  // statements sent without waiting; libpq's pipeline mode is on while this isn't 0
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace

std::unique_ptr<Statements> postgres_statements(const Poco::Data::Session& connection, AnswerWatch& watch) {
  auto& handle = *Poco::AnyCast<Poco::Data::PostgreSQL::SessionHandle*>(connection.getProperty("handle"));
  return std::make_unique<PostgresStatements>(handle, watch);
}

}  // namespace qarax::server
