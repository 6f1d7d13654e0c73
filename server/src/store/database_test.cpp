// The queue of a database, without a store on top.
#include "database.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "sqlite_statements.hpp"

namespace qarax::server {
namespace {

Session empty_database() {
  Poco::Data::SQLite::Connector::registerConnector();
  Poco::Data::Session connection("SQLite", ":memory:");
  auto statements = sqlite_statements(connection);
  return {std::move(connection), std::move(statements)};
}

// Counts the changes that it was asked to make, before they wait for their turn.
class CountingDatabase final : public Database {
 public:
  CountingDatabase() : Database(empty_database(), "test") {}
  ~CountingDatabase() override { stop(); }
  int asked() const { return asked_; }

 private:
  Status room() const override {
    ++asked_;
    return Ok{};
  }
  const char* begin_statement() const override { return "BEGIN IMMEDIATE"; }
  std::int64_t read_term() override { return activation().term; }

  mutable std::atomic<int> asked_{0};
};

TEST(Database, AChangeThatWaitedWhileTheDatabaseBecameReadOnlyIsRefused) {
  CountingDatabase db;
  bool is_made = false;
  const auto make = [&](Session&) -> Status {
    is_made = true;
    return Ok{};
  };
  std::future<Status> waiting;
  const Status first = db.transact({.work = [&](Session&) -> Status {
                                      waiting =
                                          std::async(std::launch::async, [&] { return db.transact({.work = make}); });
                                      while (db.asked() < 2) std::this_thread::yield();
                                      return Ok{};
                                    },
                                    .publish = [&] { db.set_read_only("it was set back"); }});
  EXPECT_TRUE(first);
  const Status late = waiting.get();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "read-only");
  EXPECT_NE(late.error().message.find("it was set back"), std::string::npos) << late.error().message;
  EXPECT_FALSE(is_made);
  EXPECT_TRUE(db.read(make)) << "reads go on";
  EXPECT_TRUE(db.transact({.work = make, .while_read_only = true})) << "and so does what leads out of it";
}

}  // namespace
}  // namespace qarax::server
