// What is reported of the VMs: in which order, to whom, and what is no longer reported.
#include "reports.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace qarax::agent {
namespace {

VmStatus status(VmState state) {
  VmStatus out;
  out.state = state;
  return out;
}

Facts facts(VmState state, std::int64_t incarnation = 1) {
  Facts out;
  out.name = "web";
  out.incarnation = incarnation;
  out.status = status(state);
  return out;
}

class ReportsTest : public ::testing::Test {
 protected:
  // Subscribes to every report from here on.
  std::vector<core::VmReport> listen(const std::vector<Known*>& vms) {
    return reports_.subscribe(
        vms, [this](const core::VmReport& report) { heard_.push_back(report); }, id_);
  }
  std::vector<std::int64_t> numbers_heard() const {
    std::vector<std::int64_t> out;
    for (const auto& report : heard_) out.push_back(report.seq);
    return out;
  }

  core::SystemClock clock_;
  Reports reports_{"session", clock_};
  Known web_{"web", 0, status(VmState::unknown)};
  Known db_{"db", 0, status(VmState::unknown)};
  std::uint64_t id_ = 0;
  std::vector<core::VmReport> heard_;
};

TEST_F(ReportsTest, OneSequenceNumbersTheReportsOfAllVms) {
  listen({});
  reports_.publish(web_, facts(VmState::running));
  reports_.publish(db_, facts(VmState::running));
  EXPECT_EQ(reports_.report_missing("gone").seq, 3);
  reports_.publish_deleted(web_);
  EXPECT_EQ(numbers_heard(), (std::vector<std::int64_t>{1, 2, 4})) << "what is missing is told to who asked alone";
  EXPECT_EQ(heard_[1].vm, "db");
  EXPECT_TRUE(heard_[2].deleted);
  for (const auto& report : heard_) EXPECT_EQ(report.session, "session");
}

TEST_F(ReportsTest, TheSnapshotNumbersWhatWasNeverTold) {
  const auto snapshot = listen({&web_, &db_});
  ASSERT_EQ(snapshot.size(), 2u);
  EXPECT_EQ(snapshot[0].seq, 1);
  EXPECT_EQ(snapshot[1].seq, 2);
  std::uint64_t other = 0;
  EXPECT_EQ(reports_
                .subscribe(
                    {&web_}, [](const core::VmReport&) {}, other)
                .at(0)
                .seq,
            1)
      << "once for all";
  EXPECT_NE(other, id_);
}

TEST_F(ReportsTest, WhoSubscribesBetweenRecordAndAnnouncementHearsTheReportOnce) {
  Settled command;
  const auto outcome = reports_.record_outcome(web_, command, facts(VmState::running));
  const auto snapshot = listen({&web_});
  EXPECT_EQ(snapshot.at(0).seq, outcome.seq);
  reports_.announce(web_, outcome);
  EXPECT_TRUE(heard_.empty()) << "it was in the snapshot";
  reports_.publish(web_, facts(VmState::paused));
  EXPECT_EQ(numbers_heard(), std::vector<std::int64_t>{outcome.seq + 1});
}

TEST_F(ReportsTest, SubscribersHearEachChangeOnceWhileOthersPublish) {
  constexpr std::int64_t kChanges = 2'000;
  reports_.publish(web_, facts(VmState::running));
  auto publishing = std::async(std::launch::async, [&] {
    for (int i = 1; i < kChanges; ++i) reports_.publish(web_, facts(VmState::running));
  });
  for (int i = 0; i < 20; ++i) {
    std::vector<std::int64_t> heard;
    std::uint64_t id = 0;
    const auto snapshot = reports_.subscribe(
        {&web_}, [&](const core::VmReport& report) { heard.push_back(report.seq); }, id);
    std::this_thread::yield();
    reports_.unsubscribe(id);
    for (std::size_t at = 0; at < heard.size(); ++at)
      ASSERT_EQ(heard[at], snapshot.at(0).seq + static_cast<std::int64_t>(at) + 1);
  }
  publishing.get();
  EXPECT_EQ(reports_.last(web_).seq, kChanges);
}

TEST_F(ReportsTest, AnUnsubscribeReturnsWhenItsListenerHasDone) {
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<int> calls{0};
  reports_.subscribe(
      {},
      [&](const core::VmReport&) {
        ++calls;
        entered.set_value();
        leave.get_future().wait();
      },
      id_);
  auto publishing = std::async(std::launch::async, [&] { reports_.publish(web_, facts(VmState::running)); });
  entered.get_future().wait();
  auto unsubscribing = std::async(std::launch::async, [&] { reports_.unsubscribe(id_); });
  EXPECT_EQ(unsubscribing.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  leave.set_value();
  unsubscribing.get();
  publishing.get();
  reports_.publish(web_, facts(VmState::paused));
  EXPECT_EQ(calls, 1);
}

TEST_F(ReportsTest, AReportThatIsNotTheLastAnyMoreIsNotAnnounced) {
  listen({});
  Settled command;
  const auto outcome = reports_.record_outcome(web_, command, facts(VmState::running));
  EXPECT_TRUE(heard_.empty()) << "its caller is first";
  reports_.publish(web_, facts(VmState::paused));
  reports_.announce(web_, outcome);
  EXPECT_EQ(numbers_heard(), std::vector<std::int64_t>{outcome.seq + 1});
}

TEST_F(ReportsTest, ADecisionVoidsWhatTheStrandHadSeenBefore) {
  Settled command;
  const auto epoch = reports_.decision_epoch(web_);
  ASSERT_TRUE(reports_.publish_unless_settled(web_, command, 2, status(VmState::shutdown)));
  EXPECT_FALSE(reports_.publish_if_current(web_, facts(VmState::running), epoch));
  EXPECT_FALSE(reports_.record_if_current(web_, facts(VmState::running), epoch));
  EXPECT_EQ(reports_.status_of(web_).state, VmState::shutdown);
  EXPECT_EQ(reports_.last(web_).revision, 2);
  EXPECT_TRUE(reports_.publish_if_current(web_, facts(VmState::running), reports_.decision_epoch(web_)));
  const auto running = reports_.decision_epoch(web_);
  reports_.publish_deleted(web_);
  EXPECT_FALSE(reports_.publish_if_current(web_, facts(VmState::running), running));
}

TEST_F(ReportsTest, ADoubtIsNoDecision) {
  Settled command;
  reports_.publish(web_, facts(VmState::running));
  const auto epoch = reports_.decision_epoch(web_);
  EXPECT_TRUE(reports_.publish_doubt(web_, 1, status(VmState::unknown)));
  EXPECT_TRUE(reports_.publish_unless_settled(web_, command, 1, status(VmState::unknown)));
  EXPECT_EQ(reports_.status_of(web_).state, VmState::unknown);
  EXPECT_TRUE(reports_.publish_if_current(web_, facts(VmState::shutdown), epoch));
  EXPECT_FALSE(reports_.publish_doubt(web_, 1, status(VmState::unknown))) << "nothing runs that could be doubted";
  EXPECT_EQ(reports_.status_of(web_).state, VmState::shutdown);
}

TEST_F(ReportsTest, NothingIsPublishedOfACommandAfterItsOutcome) {
  listen({});
  Settled command;
  const auto outcome = reports_.record_outcome(web_, command, facts(VmState::running));
  EXPECT_FALSE(reports_.publish_unless_settled(web_, command, 1, status(VmState::unknown)));
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(reports_.last(web_).seq, outcome.seq);
}

TEST_F(ReportsTest, AnExitIsPublishedOnceAndOnlyOfTheIncarnationThatIs) {
  reports_.publish(web_, facts(VmState::running, 1));
  reports_.set_incarnation(web_, 2);
  EXPECT_FALSE(reports_.is_exit_untold(web_, 1));
  EXPECT_FALSE(reports_.publish_exit(web_, 1, 1, status(VmState::shutdown)));
  EXPECT_EQ(reports_.status_of(web_).state, VmState::running);
  EXPECT_FALSE(reports_.exit_news(web_, 2).is_shutdown);

  const auto epoch = reports_.decision_epoch(web_);
  EXPECT_TRUE(reports_.is_exit_untold(web_, 2));
  EXPECT_TRUE(reports_.publish_exit(web_, 2, 1, status(VmState::shutdown)));
  EXPECT_FALSE(reports_.publish_exit(web_, 2, 1, status(VmState::shutdown)));
  EXPECT_FALSE(reports_.publish_if_current(web_, facts(VmState::running, 2), epoch));
  EXPECT_TRUE(reports_.exit_news(web_, 2).is_shutdown);
  EXPECT_TRUE(reports_.exit_news(web_, 2).is_published);
  EXPECT_FALSE(reports_.exit_news(web_, 1).is_published);
}

}  // namespace
}  // namespace qarax::agent
