// How long data is kept: by the time that servers have run, whatever clocks say. On a real SQLite file and a real
// PostgreSQL.
#include "fake_clock.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;

class RetentionTest : public StoreTest {
 protected:
  Result<std::unique_ptr<Store>> open_another() const override { return open_store(database_->url(), clock_); }
  std::size_t events() {
    store_->flush();
    return store_->stored_events(0, 1000)->events.size();
  }
  std::size_t jobs() { return store_->jobs({})->size(); }
  bool has_key() { return store_->kept_key("k1")->has_value(); }
  void keep_key() {
    store_->keep_answer({"k1", "print", "", KeptAnswer{201, "text/plain", {}, "x"}});
    store_->flush();
  }
  void run(std::int64_t seconds) { clock_->run(std::chrono::seconds(seconds)); }
  // Moves the wall clock, and the times that were written by it.
  void jump(std::int64_t seconds) {
    clock_->jump(std::chrono::seconds(seconds));
    const std::string year = seconds > 0 ? "1999" : "2999";
    database_->execute("UPDATE jobs SET created_at = '" + year + "-01-01T00:00:00.000Z'");
    database_->execute("UPDATE jobs SET finished_at = created_at");
  }
  void prune() { ASSERT_TRUE(store_->prune({})); }

  const std::shared_ptr<core::FakeClock> clock_ = std::make_shared<core::FakeClock>();
};

TEST_P(RetentionTest, AClockThatJumpsRemovesNothing) {
  vm("a");
  vm("b");
  keep_key();
  for (const std::int64_t by : {400 * kDay, -800 * kDay, 400 * kDay}) {
    jump(by);
    run(60);
    prune();
    EXPECT_EQ(events(), 2u) << by;
    EXPECT_EQ(jobs(), 2u) << by;
    EXPECT_TRUE(has_key()) << by;
  }
  EXPECT_EQ(store_->events().oldest(), 1);
}

TEST_P(RetentionTest, AClockThatWasSetBackKeepsNothingForLonger) {
  vm("a");
  keep_key();
  jump(-400 * kDay);
  run(kDay + 1);
  prune();
  EXPECT_FALSE(has_key());
  EXPECT_EQ(jobs(), 1u);
  run(6 * kDay);
  vm("b");
  prune();
  EXPECT_EQ(jobs(), 1u) << "b's";
  EXPECT_EQ(events(), 1u);
  EXPECT_EQ(store_->events().oldest(), 2);
}

TEST_P(RetentionTest, AKeyIsKnownForADayOfRunning) {
  keep_key();
  run(kDay);
  EXPECT_TRUE(has_key());
  run(1);
  EXPECT_FALSE(has_key()) << "also before it is removed";
}

TEST_P(RetentionTest, TheTimeGoesOnOverRestartsAndStandsStillInBetween) {
  vm("a");
  run(4 * kDay);
  store_->flush();
  store_.reset();
  run(30 * kDay);
  open();
  prune();
  EXPECT_EQ(jobs(), 1u) << "nobody ran for a month";
  run(3 * kDay + 1);
  prune();
  EXPECT_EQ(jobs(), 0u) << "a week of running, over two servers";
}

TEST_P(RetentionTest, WhatAnOlderServerWroteIsAsOldAsTheUpgrade) {
  vm("a");
  keep_key();
  run(8 * kDay);
  store_->flush();
  store_.reset();
  for (const char* table : {"events", "jobs", "idempotency_keys"})
    database_->execute(std::string("UPDATE ") + table + " SET ran = NULL");
  open();
  prune();
  EXPECT_EQ(events() + jobs(), 2u);
  EXPECT_TRUE(has_key());
  run(7 * kDay + 1);
  prune();
  EXPECT_EQ(events() + jobs(), 0u);
  EXPECT_FALSE(has_key());
}

TEST_P(RetentionTest, TheNewestJobsAreThoseThatEndedLast) {
  for (const char* name : {"a", "b", "c"}) {
    vm(name);
    run(1);
  }
  // As if the clock had been set back before the last job.
  database_->execute("UPDATE jobs SET created_at = '1999-01-01T00:00:00.000Z' WHERE vm_name = 'c'");
  Retention few;
  few.jobs = 2;
  ASSERT_TRUE(store_->prune(few));
  std::string left;
  const auto listed = store_->jobs({});
  for (const JobPtr& job : *listed) left += job->vm_name;
  EXPECT_EQ(left, "bc");
}

INSTANTIATE_TEST_SUITE_P(, RetentionTest, ::testing::Values(Backend::sqlite, Backend::postgres),
                         [](const auto& param) { return param.param == Backend::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace qarax::server
