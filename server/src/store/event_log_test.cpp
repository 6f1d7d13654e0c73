// The log of events on a real SQLite file and a real PostgreSQL.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <set>
#include <thread>

#include "epoch.hpp"
#include "store.hpp"
#include "test_database.hpp"

namespace qarax::server {
namespace {

class EventLogTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (!TestDatabase::there(GetParam())) GTEST_SKIP() << "QARAX_TEST_POSTGRES names no server";
    database_.emplace(GetParam());
    open();
  }
  void open() {
    store_.reset();
    auto opened = open_store(database_->url());
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  VmPtr vm(const std::string& name) {
    auto made = store_->create_vm({name, std::nullopt, "", std::nullopt, {}});
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  VmPtr running(const std::string& name) {
    const VmPtr made = vm(name);
    const auto on = store_->add_host({"h-" + name, "127.0.0.1", 1, ""});
    BeginJob start;
    start.vm_id = made->id;
    start.placement = Placement{(*on)->id, "qemu", 100, 1000};
    const auto begun = store_->begin_job(start);
    EXPECT_TRUE(begun) << begun.error().message;
    return store_->finish_job(begun->job.id, JobState::completed, report(begun->vm, VmState::running, 1));
  }
  static core::VmReport report(const VmPtr& of, VmState state, std::int64_t seq) {
    core::VmReport out;
    out.vm = of->id;
    out.incarnation = of->incarnation;
    out.session = "s1";
    out.seq = seq;
    out.status.state = state;
    return out;
  }
  // All events in the database, as "type previous>new".
  std::vector<std::string> stored(std::int64_t after = 0) {
    store_->flush();
    const auto page = store_->stored_events(after, 1000);
    EXPECT_TRUE(page) << page.error().message;
    std::vector<std::string> out;
    for (const auto& one : page->events)
      out.push_back(one->event.type + " " + one->event.previous_status.value_or("") + ">" +
                    one->event.new_status.value_or(""));
    return out;
  }
  std::optional<TestDatabase> database_;
  std::unique_ptr<Store> store_;
};

TEST_P(EventLogTest, EveryChangeHasItsEventInTheOrderOfCommits) {
  const VmPtr made = running("web");
  store_->apply_report(*made->host_id, report(made, VmState::paused, 2));
  store_->lose_host(*made->host_id, "gone");
  EXPECT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  EXPECT_EQ(stored(), (std::vector<std::string>{"vm.created >created", "host.added >unknown", "job.started >running",
                                                "vm.status_changed created>running", "job.finished >completed",
                                                "vm.status_changed running>paused", "vm.status_changed paused>unknown",
                                                "vm.deleted unknown>"}));
  const auto page = store_->stored_events(5, 1);
  const Event& paused = page->events.front()->event;
  EXPECT_EQ(paused.vm_id, made->id);
  EXPECT_EQ(paused.vm_name, "web");
  EXPECT_EQ(paused.host_id, made->host_id);
  EXPECT_FALSE(paused.timestamp.empty());
}

TEST_P(EventLogTest, WhateverIsToldOfAVmCarriesItsTags) {
  const VmPtr made = running("web");
  ASSERT_TRUE(store_->edit_vm({made->id, std::nullopt, [](VmRecord& changed) -> Status {
                                 changed.tags = {"prod"};
                                 return Ok{};
                               }}));
  BeginJob stop;
  stop.vm_id = made->id;
  stop.action = core::Action::stop;
  stop.expected_revision = store_->vm(made->id)->revision;
  const auto begun = store_->begin_job(stop);
  ASSERT_TRUE(begun) << begun.error().message;
  store_->finish_job(begun->job.id, JobState::completed, report(begun->vm, VmState::shutdown, 2));
  ASSERT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  store_->flush();
  const auto page = store_->stored_events(5, 1000);
  ASSERT_TRUE(page) << page.error().message;
  std::vector<std::string> told;
  for (const auto& one : page->events) {
    told.push_back(one->event.type);
    EXPECT_EQ(one->event.tags, std::vector<std::string>{"prod"}) << one->event.type;
  }
  // Required members are written even if they are empty.
  const auto first = store_->stored_events(0, 1);
  ASSERT_TRUE(first && !first->events.empty());
  EXPECT_NE(first->events[0]->document.find("\"tags\":[]"), std::string::npos) << first->events[0]->document;
  EXPECT_EQ(told,
            (std::vector<std::string>{"vm.changed", "job.started", "vm.status_changed", "job.finished", "vm.deleted"}));
}

TEST_P(EventLogTest, MemoryHasWhatTheDatabaseHas) {
  for (int i = 0; i < 20; ++i) vm("vm" + std::to_string(i));
  const auto memory = store_->events().recent_after(3, 1000);
  const auto disk = store_->stored_events(3, 1000);
  ASSERT_TRUE(memory.complete);
  ASSERT_EQ(memory.events.size(), 17u);
  for (std::size_t i = 0; i < 17; ++i) {
    EXPECT_EQ(memory.events[i]->seq, static_cast<std::int64_t>(i) + 4);
    EXPECT_EQ(memory.events[i]->seq, disk->events[i]->seq);
    EXPECT_EQ(memory.events[i]->document, disk->events[i]->document);
  }
}

TEST_P(EventLogTest, AChangeThatIsRefusedHasNoEventAndLeavesNoHole) {
  vm("web");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        EXPECT_FALSE(store_->create_vm({"web", std::nullopt, "", std::nullopt, {}}));
        vm("vm" + std::to_string(i) + "-" + std::to_string(j));
      }
    });
  for (auto& one : threads) one.join();
  const auto page = store_->stored_events(0, 1000);
  ASSERT_EQ(page->events.size(), 81u);
  for (std::size_t i = 0; i < 81; ++i) EXPECT_EQ(page->events[i]->seq, static_cast<std::int64_t>(i) + 1);
  EXPECT_EQ(store_->events().last().seq, 81);
}

TEST_P(EventLogTest, AReaderSeesTheStateThatItIsToldOf) {
  std::atomic<int> seen{0};
  std::atomic<int> wrong{0};
  std::atomic<bool> over{false};
  std::thread reader([&] {
    for (std::int64_t at = 0; !over || at < store_->events().last().seq;) {
      for (const auto& one : store_->events().recent_after(at, 100).events) {
        at = one->seq;
        ++seen;
        if (!store_->vm(*one->event.vm_id)) ++wrong;
      }
    }
  });
  for (int i = 0; i < 200; ++i) vm("vm" + std::to_string(i));
  over = true;
  reader.join();
  EXPECT_EQ(seen, 200);
  EXPECT_EQ(wrong, 0);
}

TEST_P(EventLogTest, AnObservationIsCommittedAtOnceWhileSomebodyReads) {
  const VmPtr made = running("web");
  store_->flush();
  std::mutex mutex;
  std::condition_variable changed;
  int commits = 0;
  const auto wakes = store_->events().on_commit([&] {
    const std::lock_guard lock(mutex);
    ++commits;
    changed.notify_all();
  });
  const auto reader = store_->events().join();
  store_->apply_report(*made->host_id, report(made, VmState::paused, 2));
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return commits > 0; }));
  lock.unlock();
  EXPECT_EQ(store_->events().recent_after(store_->events().last().seq - 1, 1).events.front()->event.new_status,
            "paused");
}

TEST_P(EventLogTest, ARestartGoesOnWithTheNumbersAndTellsWhatItDoesntKnow) {
  running("web");
  store_->flush();
  const auto before = store_->events().last();
  open();
  EXPECT_GT(store_->events().last().epoch, before.epoch) << "of which no copy of the database knows";
  EXPECT_EQ(*store_->end_of_epoch(before.epoch), before.seq);
  EXPECT_EQ(*store_->end_of_epoch(before.epoch + 1'000'000), std::nullopt);
  EXPECT_EQ(stored(before.seq), std::vector<std::string>{"vm.status_changed running>unknown"});
  open();
  EXPECT_TRUE(stored(before.seq + 1).empty()) << "and not a second time";
  EXPECT_FALSE(store_->events().recent_after(0, 1).complete) << "memory begins anew";
}

TEST(EpochTest, CopiesThatAreStartedWithinOneMillisecondDifferAndLaterOnesComeLater) {
  using std::chrono::milliseconds;
  const std::chrono::system_clock::time_point now{milliseconds(1'790'000'000'000)};
  std::set<std::int64_t> seen;
  for (std::uint32_t random = 0; random < 1024; ++random) seen.insert(epoch_at(now, random));
  EXPECT_EQ(seen.size(), 1024U);
  EXPECT_LT(*seen.rbegin(), epoch_at(now + milliseconds(1), 0));
  EXPECT_GT(*seen.begin(), epoch_at(now - milliseconds(1), UINT32_MAX));
  EXPECT_LT(epoch_at(std::chrono::system_clock::time_point::max(), UINT32_MAX), std::int64_t{1} << 53);
}

// Each round is the start of a server on another copy of one backup.
TEST_P(EventLogTest, CopiesOfADatabaseHaveEpochsOfTheirOwnAlsoWhereTheClockIsBehind) {
  constexpr std::int64_t kBackup = 8'000'000'000'000'000;  // of a time that no clock shows
  std::set<std::int64_t> seen;
  for (int copy = 0; copy < 4; ++copy) {
    store_.reset();
    database_->execute("UPDATE event_counter SET epoch = " + std::to_string(kBackup));
    open();
    const std::int64_t epoch = store_->events().last().epoch;
    EXPECT_GT(epoch, kBackup);
    EXPECT_LE(epoch, kBackup + (1 << 20));
    seen.insert(epoch);
  }
  EXPECT_GT(seen.size(), 1u);
}

TEST_P(EventLogTest, WhatIsRemovedIsMissedAndNothingElse) {
  for (int i = 0; i < 30; ++i) vm("vm" + std::to_string(i));
  Retention few;
  few.events = 10;
  ASSERT_TRUE(store_->prune(few));
  EXPECT_EQ(store_->events().oldest(), 21);
  EXPECT_FALSE(store_->stored_events(19, 10)->complete);
  EXPECT_TRUE(store_->stored_events(20, 10)->complete);
  EXPECT_EQ(stored(20).size(), 10u);
  database_->execute("UPDATE events SET ran = ran - 1000 WHERE seq <= 25");
  Retention young;
  young.events_s = 500;
  ASSERT_TRUE(store_->prune(young));
  EXPECT_EQ(store_->events().oldest(), 26);
  young.events_s = -10;
  ASSERT_TRUE(store_->prune(young));
  EXPECT_EQ(store_->events().oldest(), 31);
  EXPECT_TRUE(stored().empty());
  vm("next");
  EXPECT_EQ(store_->events().last().seq, 31) << "numbers never come again";
  open();
  EXPECT_EQ(store_->events().oldest(), 31);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, EventLogTest, ::testing::Values(Backend::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, EventLogTest, ::testing::Values(Backend::postgres));

}  // namespace
}  // namespace qarax::server
