// What only PostgreSQL can do to the store: the connection, and with it the lock, may be lost. Broken commits and a
// restarted database are in e2e/test_postgres.py.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "store.hpp"
#include "test_database.hpp"

namespace qarax::server {
namespace {

class PostgresTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(Backend::postgres)) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(Backend::postgres);
  }
  // How many connections of stores were cut.
  std::string cut() const {
    return database_->ask(
        "SELECT CAST(count(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity WHERE application_name LIKE "
        "'qarax-server%' AND datname = current_database()");
  }
  static Result<VmPtr> create(Store& store, const std::string& name) {
    return store.create_vm({name, std::nullopt, "", std::nullopt, {}});
  }
  std::optional<TestDatabase> database_;
};

TEST_F(PostgresTest, ALostConnectionHealsAndNothingIsLost) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  const auto term = (*store)->activation().term;
  ASSERT_TRUE(create(**store, "before"));
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(cut(), "1");
    EXPECT_EQ((*store)->vms().size(), static_cast<std::size_t>(round + 1)) << "reads go on";
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto made = create(**store, "after" + std::to_string(round));
    while (!made && std::chrono::steady_clock::now() < until) {
      EXPECT_EQ(made.error().reason, "store-unavailable") << made.error().message;
      std::this_thread::yield();
      made = create(**store, "after" + std::to_string(round));
    }
    ASSERT_TRUE(made) << made.error().message;
  }
  EXPECT_EQ((*store)->activation().term, term);
  const auto second = open_postgres(database_->url());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "store-locked") << "the lock was taken again";
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms"), "4");
}

TEST_F(PostgresTest, AnotherServersTermEndsTheProcess) {
  const auto lose_the_term = [&](bool with_connection) {
    auto store = open_postgres(database_->url());
    if (!store) std::_Exit(3);
    database_->execute("UPDATE cluster SET term = term + 1");
    if (!with_connection) cut();
    for (int i = 0; i < 100'000; ++i)
      if (create(**store, "never")) std::_Exit(4);
    std::_Exit(5);
  };
  EXPECT_EXIT(lose_the_term(true), testing::ExitedWithCode(EXIT_FAILURE), "");
  EXPECT_EXIT(lose_the_term(false), testing::ExitedWithCode(EXIT_FAILURE), "");
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms"), "0");
}

TEST_F(PostgresTest, ADatabaseThatWasSetBackEndsTheProcess) {
  const auto set_back = [&] {
    auto store = open_postgres(database_->url());
    if (!store || !create(**store, "one") || !create(**store, "two")) std::_Exit(3);
    database_->execute("UPDATE cluster SET commits = commits - 1");
    cut();
    for (int i = 0; i < 100'000; ++i)
      if (create(**store, "never")) std::_Exit(4);
    std::_Exit(5);
  };
  EXPECT_EXIT(set_back(), testing::ExitedWithCode(EXIT_FAILURE), "");
}

TEST_F(PostgresTest, WhatCantBeOpenedIsSaidWithoutThePassword) {
  DatabaseUrl url = database_->url();
  url.port = "1";
  EXPECT_EQ(open_postgres(url).error().reason, "store-down");
  url = database_->url();
  url.password = "hunter2";
  const auto refused = open_postgres(url);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "");
  EXPECT_EQ(refused.error().message.find("hunter2"), std::string::npos) << refused.error().message;
  url = database_->url();
  url.database = "no_such";
  EXPECT_NE(open_postgres(url).error().message.find("no_such"), std::string::npos);
}

}  // namespace
}  // namespace qarax::server
