// What is posted travels with the next question: its order, its refusals, and a connection that ends on the way.
#include "postgres_statements.hpp"

#include <Poco/Data/PostgreSQL/SessionHandle.h>
#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <optional>

#include "postgres_link.hpp"
#include "test_database.hpp"

namespace qarax::server {
namespace {

using namespace Poco::Data::Keywords;

constexpr const char* kInsert = "INSERT INTO things (id, size) VALUES ($1, $2)";
constexpr const char* kCount = "SELECT COUNT(*) FROM things";

class PostgresStatements : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(Backend::postgres)) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(Backend::postgres);
    database_->execute("CREATE TABLE things (id TEXT PRIMARY KEY, size BIGINT CHECK (size >= 0))");
    Poco::Data::Session connection = database_->connection();
    auto statements = postgres_statements(connection, watch_);
    session_.emplace(std::move(connection), std::move(statements));
  }
  std::string seen_by_others() const { return database_->ask("SELECT CAST(COUNT(*) AS TEXT) FROM things"); }
  std::string refusal_of(const char* sql) {
    try {
      session_->run(sql);
    } catch (const Poco::Exception& e) {
      return e.displayText();
    }
    return "none";
  }

  AnswerWatch watch_{std::chrono::seconds(60)};
  std::optional<TestDatabase> database_;
  std::optional<Session> session_;
};

TEST_F(PostgresStatements, WhatIsPostedIsCarriedOutBeforeWhatIsAskedNext) {
  session_->post(kInsert, "a", 1);
  session_->post(kInsert, "b", 2);
  EXPECT_EQ(session_->numbers<1>(kCount)[0], 2);
  session_->post("UPDATE things SET size = size + $1", 10);
  std::int64_t sum = 0;
  *session_ << "SELECT CAST(SUM(size) AS BIGINT) FROM things", into(sum), now;
  EXPECT_EQ(sum, 23) << "Poco's statements come after it, too";
  session_->post(kInsert, "c", 3);
  Poco::Data::Statement select = session_->statement();
  select << kCount, into(sum), now;
  EXPECT_EQ(sum, 3);
}

TEST_F(PostgresStatements, SettledItIsThere) {
  session_->settle();
  session_->post(kInsert, "a", 1);
  session_->settle();
  EXPECT_EQ(seen_by_others(), "1");
}

TEST_F(PostgresStatements, WhatIsPostedAloneIsNotSentByItself) {
  session_->post("DELETE FROM things");
  session_->settle();  // both are known to the database from here on
  session_->run(kInsert, "a", 1);
  session_->post("DELETE FROM things");
  EXPECT_EQ(seen_by_others(), "1") << "it would have cost a message of its own";
  session_->settle();
  EXPECT_EQ(seen_by_others(), "0");
}

TEST_F(PostgresStatements, ARefusalIsToldByTheNextQuestionAndTheSavepointIsOneToGoBackTo) {
  session_->post("BEGIN");
  session_->post(kInsert, "a", 1);
  session_->settle();
  session_->post("SAVEPOINT change");
  session_->post(kInsert, "b", -1);
  session_->post(kInsert, "c", 1);
  const std::string told = refusal_of(kCount);
  EXPECT_NE(told.find("check constraint"), std::string::npos) << told;
  session_->run("ROLLBACK TO SAVEPOINT change");
  session_->post("RELEASE SAVEPOINT change");
  session_->post(kInsert, "d", 1);
  session_->run("COMMIT");
  EXPECT_EQ(seen_by_others(), "2");
}

TEST_F(PostgresStatements, ACommitThatBecameARollbackIsNone) {
  session_->post("BEGIN");
  session_->post(kInsert, "a", -1);
  EXPECT_THROW(session_->settle(), Poco::Exception);
  EXPECT_NE(refusal_of("COMMIT").find("the commit was refused"), std::string::npos);
  EXPECT_EQ(seen_by_others(), "0");
  session_->run(kInsert, "a", 1);
  EXPECT_EQ(seen_by_others(), "1") << "the connection is as before";
}

TEST_F(PostgresStatements, ACommitBehindARefusalIsNotCarriedOut) {
  session_->post("BEGIN");
  session_->post(kInsert, "a", 1);
  session_->post(kInsert, "a", 2);
  const std::string told = refusal_of("COMMIT");
  EXPECT_NE(told.find("duplicate key"), std::string::npos) << told;
  session_->run("ROLLBACK");
  EXPECT_EQ(seen_by_others(), "0");
}

TEST_F(PostgresStatements, AConnectionThatIsOutOfStepIsNotUsedAgain) {
  session_->run("BEGIN");
  session_->run(kInsert, "a", 1);
  auto& handle = *Poco::AnyCast<Poco::Data::PostgreSQL::SessionHandle*>(session_->getProperty("handle"));
  EXPECT_TRUE(is_connected(handle));
  ASSERT_EQ(PQsendQuery(handle, "SELECT 1"), 1);  // leaves the connection busy, so that it can't begin a pipeline
  EXPECT_THROW(session_->post("SAVEPOINT change"), Poco::Exception);
  EXPECT_FALSE(is_connected(handle));
  ASSERT_TRUE(handle.reset());
  session_->forget_statements();
  EXPECT_TRUE(is_connected(handle));
  EXPECT_EQ(session_->numbers<1>(kCount)[0], 0) << "the transaction ended with its connection";
}

TEST_F(PostgresStatements, ALostConnectionIsToldAndANewOneKnowsNothingOfWhatWasPosted) {
  session_->run("SELECT 1");
  session_->post(kInsert, "a", 1);
  database_->ask(
      "SELECT CAST(COUNT(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid()");
  EXPECT_THROW(session_->settle(), Poco::Exception);
  EXPECT_THROW(session_->run(kCount), Poco::Exception);
  auto& handle = *Poco::AnyCast<Poco::Data::PostgreSQL::SessionHandle*>(session_->getProperty("handle"));
  ASSERT_TRUE(handle.reset());
  session_->forget_statements();
  EXPECT_EQ(session_->numbers<1>(kCount)[0], 0);
  session_->post(kInsert, "b", 1);
  session_->settle();
  EXPECT_EQ(seen_by_others(), "1");
}

}  // namespace
}  // namespace qarax::server
