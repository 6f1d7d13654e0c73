// Failures that only PostgreSQL has: the connection, and with it the lock, is lost or doesn't answer. Broken commits
// and a restarted database are tested in e2e/test_postgres.py.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "lossy_line.hpp"
#include "readers.hpp"
#include "store.hpp"
#include "test_database.hpp"

namespace qarax::server {
namespace {

struct Paused {
  explicit Paused(pid_t process) : pid(process) { EXPECT_EQ(::kill(pid, SIGSTOP), 0); }
  ~Paused() { go_on(); }
  void go_on() const { ::kill(pid, SIGCONT); }
  const pid_t pid;
};

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(Backend::postgres)) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(Backend::postgres);
  }
  // Cuts the connections of all stores; returns their number.
  std::string cut() const {
    return database_->ask(
        "SELECT CAST(count(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity WHERE application_name LIKE "
        "'qarax-server%' AND datname = current_database()");
  }
  // Process id of the store's PostgreSQL backend; 0: it isn't on this machine.
  pid_t backend() const {
    const std::string pid = database_->ask(
        "SELECT CAST(pid AS TEXT) FROM pg_stat_activity WHERE application_name LIKE 'qarax-server %' AND datname = "
        "current_database()");
    std::string name;
    std::getline(std::ifstream("/proc/" + pid + "/comm"), name);
    const auto out = static_cast<pid_t>(std::stol(pid));
    return name == "postgres" && ::kill(out, 0) == 0 ? out : 0;
  }
  static Result<VmPtr> create(Store& store, const std::string& name) {
    return store.create_vm({name, std::nullopt, "", std::nullopt, {}});
  }
  static bool creates_soon(Store& store, const std::string& name) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      if (create(store, name)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
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

TEST_F(PostgresTest, AReaderWhoseConnectionWasCutReadsAgain) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE(create(**store, "web"));
  const std::string count =
      "SELECT CAST(count(pg_terminate_backend(pid)) AS TEXT) FROM pg_stat_activity WHERE application_name = "
      "'qarax-reader' AND datname = current_database()";
  EXPECT_EQ(database_->ask(count), std::to_string(Readers::kCount));
  // The database may not have closed all of them yet.
  auto page = (*store)->stored_events(0, 10);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!page && std::chrono::steady_clock::now() < until) page = (*store)->stored_events(0, 10);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_FALSE(page->events.empty());
}

TEST_F(PostgresTest, ADatabaseThatDoesntAnswerKeepsNobodyWaiting) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE(create(**store, "before"));
  const pid_t pid = backend();
  if (pid == 0) GTEST_SKIP() << "the server isn't on this machine, or isn't ours to stop";
  const Paused paused(pid);
  std::atomic<bool> refused{false};
  std::thread waiting([&] {
    const auto made = create(**store, "in vain");
    refused = true;
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().reason, "store-unavailable");
    EXPECT_NE(made.error().message.find("doesn't answer"), std::string::npos) << made.error().message;
  });
  // Meanwhile reports of nodes are applied at once, and reads work.
  std::chrono::steady_clock::duration longest{};
  while (!refused) {
    const auto begin = std::chrono::steady_clock::now();
    (*store)->lose_host("h", "of no VM");
    EXPECT_EQ((*store)->vms().size(), 1U);
    longest = std::max(longest, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(longest, std::chrono::seconds(3));
  waiting.join();
  const auto at_once = create(**store, "in vain");
  ASSERT_FALSE(at_once);
  EXPECT_NE(at_once.error().message.find("doesn't answer"), std::string::npos) << at_once.error().message;
  EXPECT_FALSE((*store)->check());
  paused.go_on();
  EXPECT_TRUE(creates_soon(**store, "after"));
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms"), "2");
}

TEST_F(PostgresTest, ALockThatSomebodyElseHoldsIsWaitedForInVain) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE(create(**store, "before"));
  for (const std::string table : {"cluster", "vms"}) {
    Poco::Data::Session other(Poco::Data::PostgreSQL::Connector::KEY, database_->url().conninfo());
    other << "BEGIN", Poco::Data::Keywords::now;
    other << "LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE", Poco::Data::Keywords::now;
    std::vector<std::thread> clients;
    std::atomic<int> refused{0};
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&, i] {
        const auto made = create(**store, "in vain " + std::to_string(i));
        ASSERT_FALSE(made);
        EXPECT_NE(made.error().message.find("lock timeout"), std::string::npos) << made.error().message;
        if (made.error().reason == "store-unavailable") ++refused;
      });
    for (auto& client : clients) client.join();
    EXPECT_EQ(refused, 4) << table;
    other << "ROLLBACK", Poco::Data::Keywords::now;
    EXPECT_TRUE(create(**store, "after " + table)) << "the connection is the same";
  }
}

TEST_F(PostgresTest, WhoAsksForAChangeOfWhichNobodyKnowsIsToldSoAtTheServersEnd) {
  LossyLine line(database_->url());
  auto store = open_postgres(line.url());
  ASSERT_TRUE(store) << store.error().message;
  line.lose_next_answer();
  auto making = std::async(std::launch::async, [&] { return create(**store, "in question"); });
  ASSERT_TRUE(line.loses_answer_of(making));
  EXPECT_EQ(making.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  (*store)->stop_waiting();
  const auto made = making.get();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().reason, "outcome-unknown") << made.error().message;
  // Memory may differ from the database, so nothing more is written, even once the database is back.
  const int before = line.let_through();
  line.open();
  while (line.let_through() == before) std::this_thread::yield();
  EXPECT_EQ(create(**store, "later").error().reason, "store-unavailable");
  store->reset();
  auto next = open_postgres(database_->url());
  while (!next && next.error().reason == "store-locked") next = open_postgres(database_->url());
  ASSERT_TRUE(next) << next.error().message;
  ASSERT_EQ((*next)->vms().size(), 1U);
  EXPECT_EQ((*next)->vms().front()->name, "in question");
}

TEST_F(PostgresTest, AnAdoptWhoseCommitIsNotAnsweredIsNoOtherServers) {
  LossyLine line(database_->url());
  auto store = open_postgres(line.url());
  ASSERT_TRUE(store) << store.error().message;
  const auto host = (*store)->add_host({"h1", "127.0.0.1", 1, ""});
  ASSERT_TRUE(host) << host.error().message;
  const Activation before = (*store)->activation();
  Adoption adoption;
  adoption.host_id = (*host)->id;
  adoption.above_term = before.term + 5;
  line.lose_next_answer();
  auto adopting = std::async(std::launch::async, [&] { return (*store)->adopt(adoption); });
  ASSERT_TRUE(line.loses_answer_of(adopting));
  line.open();
  const auto adopted = adopting.get();
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ((*store)->activation().term, before.term + 6);
  EXPECT_NE((*store)->activation().id, before.id);
  EXPECT_TRUE(creates_soon(**store, "after"));
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
  EXPECT_EXIT(lose_the_term(true), ::testing::ExitedWithCode(EXIT_FAILURE), "");
  EXPECT_EXIT(lose_the_term(false), ::testing::ExitedWithCode(EXIT_FAILURE), "");
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
  EXPECT_EXIT(set_back(), ::testing::ExitedWithCode(EXIT_FAILURE), "");
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

// The role's own limit, as this server is used by other tests, too: SQLSTATE 53300 like the server's "too many
// clients".
TEST_F(PostgresTest, ADatabaseThatIsFullIsWaitedFor) {
  DatabaseUrl url = database_->url();
  url.user = "full_" + std::to_string(::getpid());
  url.password = "test";
  database_->execute("CREATE ROLE " + url.user + " LOGIN PASSWORD 'test' CONNECTION LIMIT 0");
  const auto full = open_postgres(url);
  database_->execute("DROP ROLE " + url.user);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().reason, "store-down") << full.error().message;
  EXPECT_NE(full.error().message.find("too many connections"), std::string::npos) << full.error().message;
}

TEST_F(PostgresTest, ADatabaseThatCameBackInBetweenIsOpened) {
  LossyLine line(database_->url());
  line.refuse_next_connection();
  const auto store = open_postgres(line.url());
  EXPECT_TRUE(store) << store.error().message;
}

TEST_F(PostgresTest, AConnectionThatIsLostWhileItIsOpenedIsNoReasonToEnd) {
  LossyLine line(database_->url());
  line.lose_one_answer();
  auto store = open_postgres(line.url());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, "store-down") << store.error().message;
  // The database may not have noticed yet that the connection with the lock has ended.
  store = open_postgres(line.url());
  while (!store && store.error().reason == "store-locked") store = open_postgres(line.url());
  EXPECT_TRUE(store) << store.error().message;
}

TEST_F(PostgresTest, AConnectionThatIsLostWhileTheStoreIsReadIsNoDamage) {
  const auto open_once_unlocked = [](const DatabaseUrl& url) {
    auto store = open_postgres(url);
    while (!store && store.error().reason == "store-locked") store = open_postgres(url);
    return store;
  };
  ASSERT_TRUE(open_postgres(database_->url())) << "the tables are there";
  LossyLine line(database_->url());
  line.lose_one_answer("FROM snapshots");
  const auto lost = open_once_unlocked(line.url());
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, "store-down") << lost.error().message;
  const auto store = open_once_unlocked(line.url());
  EXPECT_TRUE(store) << store.error().message;
}

// What is refused of a change is known only with the group's next question, and is still that change's.
TEST_F(PostgresTest, ARefusedChangeTakesNobodyAlong) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  database_->execute("ALTER TABLE jobs ADD CONSTRAINT refused CHECK (vm_name NOT LIKE 'bad%')");
  const auto make = [&](const std::string& name) { return create(**store, name); };
  EXPECT_FALSE(make("bad-alone"));
  EXPECT_TRUE(make("good-alone"));
  constexpr int kEach = 40;
  std::atomic<int> refused{0};
  std::atomic<int> made{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client)
    clients.emplace_back([&, client] {
      for (int i = 0; i < kEach; ++i) {
        const bool bad = (client + i) % 3 == 0;
        const auto out = make((bad ? "bad-" : "good-") + std::to_string(client) + "-" + std::to_string(i));
        EXPECT_EQ(static_cast<bool>(out), !bad);
        ++(out ? made : refused);
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_GT(refused, 0);
  EXPECT_EQ((*store)->vms().size(), static_cast<std::size_t>(made + 1));
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms"), std::to_string(made + 1));
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms WHERE name LIKE 'bad%'"), "0");
}

// The same where it is certain that there are groups: the first change waits for a lock while the others queue.
TEST_F(PostgresTest, ARefusedChangeTakesNobodyOfItsGroupAlong) {
  auto store = open_postgres(database_->url());
  ASSERT_TRUE(store) << store.error().message;
  database_->execute("ALTER TABLE jobs ADD CONSTRAINT refused CHECK (vm_name NOT LIKE 'bad%')");
  const auto commits = [&] { return std::stoi(database_->ask("SELECT CAST(commits AS TEXT) FROM cluster")); };
  const int before = commits();
  Poco::Data::Session other(Poco::Data::PostgreSQL::Connector::KEY, database_->url().conninfo());
  other << "BEGIN", Poco::Data::Keywords::now;
  other << "UPDATE cluster SET commits = commits", Poco::Data::Keywords::now;
  constexpr int kClients = 24;
  std::atomic<int> asking{0};
  std::atomic<int> made{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client)
    clients.emplace_back([&, client] {
      const bool bad = client % 3 == 0;
      ++asking;
      const auto out = create(**store, (bad ? "bad-" : "good-") + std::to_string(client));
      EXPECT_EQ(static_cast<bool>(out), !bad);
      made += out ? 1 : 0;
    });
  while (asking < kClients) std::this_thread::yield();
  const auto waiting = [&] {
    return database_->ask(
        "SELECT CAST(count(*) AS TEXT) FROM pg_stat_activity WHERE application_name LIKE 'qarax-server %' AND "
        "wait_event_type = 'Lock' AND datname = current_database()");
  };
  for (int i = 0; i < 1'000 && waiting() != "1"; ++i) std::this_thread::yield();
  other << "ROLLBACK", Poco::Data::Keywords::now;
  for (auto& client : clients) client.join();
  EXPECT_EQ(made, kClients - kClients / 3);
  EXPECT_EQ(database_->ask("SELECT CAST(count(*) AS TEXT) FROM vms"), std::to_string(kClients - kClients / 3));
  EXPECT_LT(commits() - before, made) << "some shared a commit";
}

}  // namespace
}  // namespace qarax::server
