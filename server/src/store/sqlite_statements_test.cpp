#include "sqlite_statements.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

namespace qarax::server {
namespace {

using namespace Poco::Data::Keywords;
using Text = Poco::Nullable<std::string>;

Session memory() {
  Poco::Data::SQLite::Connector::registerConnector();
  Poco::Data::Session connection("SQLite", ":memory:");
  connection << "CREATE TABLE things (id TEXT PRIMARY KEY, size INTEGER CHECK (size >= 0), note TEXT)", now;
  auto statements = sqlite_statements(connection);
  return {std::move(connection), std::move(statements)};
}

constexpr const char* kInsert = "INSERT INTO things (id, size, note) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";

TEST(SqliteStatements, TellsHowManyRowsItChanged) {
  Session session = memory();
  EXPECT_EQ(session.run(kInsert, "a", 1, Text()), 1u);
  EXPECT_EQ(session.run(kInsert, "a", 2, Text()), 0u);
  EXPECT_EQ(session.run(kInsert, "b", std::int64_t{1} << 40, Text("x")), 1u);
  const auto row = session.numbers<2>("SELECT MAX(size), SUM(note IS NULL) FROM things WHERE id IN ($1, $2)", "a", "b");
  EXPECT_EQ(row[0], std::int64_t{1} << 40);
  EXPECT_EQ(row[1], 1);
  EXPECT_EQ(session.numbers<1>("SELECT size FROM things WHERE id = $1", "c")[0], 0);
}

// A failure inside a savepoint must spoil neither the statement nor the enclosing transaction.
TEST(SqliteStatements, AFailureLeavesTheTransactionToGoOn) {
  Session session = memory();
  session.run("BEGIN IMMEDIATE");
  session.run(kInsert, "a", 1, Text());
  session.run("SAVEPOINT change");
  EXPECT_THROW(session.run(kInsert, "b", -1, Text()), Poco::Data::SQLite::ConstraintViolationException);
  session.run("ROLLBACK TO SAVEPOINT change");
  session.run("RELEASE SAVEPOINT change");
  EXPECT_EQ(session.run(kInsert, "c", 1, Text()), 1u);
  session.run("COMMIT");
  EXPECT_EQ(session.numbers<1>("SELECT COUNT(*) FROM things")[0], 2);
}

TEST(SqliteStatements, AChangedSchemaIsCompiledFor) {
  Session session = memory();
  session.run(kInsert, "a", 1, Text());
  session << "ALTER TABLE things ADD COLUMN more INTEGER NOT NULL DEFAULT 7", now;
  EXPECT_EQ(session.run(kInsert, "b", 1, Text()), 1u);
  EXPECT_EQ(session.numbers<1>("SELECT SUM(more) FROM things")[0], 14);
}

TEST(SqliteStatements, WhatIsNoSqlThrowsAndIsForgotten) {
  Session session = memory();
  EXPECT_THROW(session.run("INSERT INTO absent VALUES (1)"), Poco::Exception);
  session << "CREATE TABLE absent (one INTEGER)", now;
  EXPECT_EQ(session.run("INSERT INTO absent VALUES (1)"), 1u);
}

}  // namespace
}  // namespace qarax::server
