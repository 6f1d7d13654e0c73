// A database's queue of changes and its readers, without a store on top.
#include "database.hpp"

#include <Poco/Data/SQLite/Connector.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "postgres_db.hpp"
#include "sqlite_db.hpp"
#include "sqlite_statements.hpp"
#include "test_database.hpp"

namespace qarax::server {
namespace {

Session empty_database() {
  Poco::Data::SQLite::Connector::registerConnector();
  Poco::Data::Session connection("SQLite", ":memory:");
  auto statements = sqlite_statements(connection);
  return {std::move(connection), std::move(statements)};
}

class EmptyReader final : public Reader {
 public:
  Session& ready() override { return session_; }

 private:
  Session session_ = empty_database();
};

// Counts the changes that it was asked to make, before they wait for their turn.
class CountingDatabase final : public Database {
 public:
  CountingDatabase() : Database(empty_database(), "test") {
    EXPECT_TRUE(open_readers([] { return ReaderPtr(std::make_unique<EmptyReader>()); }));
  }
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

class ReadingTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(GetParam())) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(GetParam());
    const DatabaseUrl& url = database_->url();
    if (url.is_postgres())
      db_ = PostgresDb::open(url).value();
    else
      db_ = SqliteDb::open(url.path).value();
    db_->serve();
  }
  std::int64_t commits() {
    std::int64_t out = -1;
    const Status read = db_->read([&](Session& session) -> Status {
      out = session.numbers<1>("SELECT seq FROM event_counter")[0];
      return Ok{};
    });
    EXPECT_TRUE(read) << read.error().message;
    return out;
  }
  static Status count_up(Session& session) {
    session.run("UPDATE event_counter SET seq = seq + 1");
    return Ok{};
  }

  std::optional<TestDatabase> database_;
  std::unique_ptr<Database> db_;
};

TEST_P(ReadingTest, WhoReadsNeitherWaitsForAChangeNorKeepsOneWaiting) {
  const std::int64_t before = commits();
  std::promise<void> worked;
  std::promise<void> looked;
  auto changing = std::async(std::launch::async, [&] {
    return db_->transact({.work = [&](Session& session) -> Status {
      QARAX_CHECK(count_up(session));
      session.settle();
      worked.set_value();
      looked.get_future().wait();
      return Ok{};
    }});
  });
  worked.get_future().wait();
  auto reading = std::async(std::launch::async, [&] { return commits(); });
  EXPECT_EQ(reading.wait_for(std::chrono::seconds(20)), std::future_status::ready) << "it waits for the change";
  looked.set_value();
  EXPECT_EQ(reading.get(), before) << "what isn't committed";
  EXPECT_TRUE(changing.get());
  EXPECT_EQ(commits(), before + 1);

  const Status read = db_->read([&](Session&) { return db_->transact({.work = count_up}); });
  EXPECT_TRUE(read) << "a change beside a read: " << read.error().message;
  EXPECT_EQ(commits(), before + 2);
}

TEST_P(ReadingTest, WhatWasLeftForLaterIsRead) {
  const std::int64_t before = commits();
  for (int i = 1; i <= 50; ++i) {
    db_->later([](Session& session) { EXPECT_TRUE(count_up(session)); }, i % 2 == 0);
    EXPECT_EQ(commits(), before + i);
  }
}

TEST_P(ReadingTest, ManyReadAtOnce) {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 32; ++i)
    readers.emplace_back([&] {
      const Status read = db_->read([&](Session& session) -> Status {
        const int now = ++inside;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        EXPECT_EQ(session.numbers<1>("SELECT COUNT(*) FROM cluster")[0], 1);
        --inside;
        return Ok{};
      });
      EXPECT_TRUE(read) << read.error().message;
    });
  for (auto& reader : readers) reader.join();
  EXPECT_LE(most, static_cast<int>(Readers::kCount));
}

TEST_P(ReadingTest, AReaderCantWrite) {
  const std::int64_t before = commits();
  const Status read = db_->read(count_up);
  EXPECT_FALSE(read);
  EXPECT_EQ(commits(), before);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, ReadingTest, ::testing::Values(Backend::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, ReadingTest, ::testing::Values(Backend::postgres));

}  // namespace
}  // namespace qarax::server
