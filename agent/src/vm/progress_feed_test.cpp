#include "progress_feed.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "fake_clock.hpp"

namespace qarax::agent {
namespace {

class ProgressFeedTest : public ::testing::Test {
 protected:
  ProgressFeedTest() {
    feed_.listen([this](const core::CommandProgress& progress) {
      told_.push_back(progress.step + " " + std::to_string(progress.done) + "/" + std::to_string(progress.total));
    });
  }
  std::vector<std::string> told() { return std::exchange(told_, {}); }
  using Told = std::vector<std::string>;

  core::FakeClock clock_;
  std::vector<std::pair<std::int64_t, std::function<void()>>> later_;
  std::vector<std::string> told_;
  ProgressFeed feed_{clock_,
                     [this](std::int64_t ms, std::function<void()> work) { later_.emplace_back(ms, std::move(work)); }};
};

TEST_F(ProgressFeedTest, WhatChangesIsToldFourTimesASecondAndTheLastOneToo) {
  const auto report = feed_.of("vm", 1);
  report("memory", 1, 100);
  EXPECT_EQ(told(), Told{"memory 1/100"}) << "the first one at once";
  clock_.run(std::chrono::milliseconds(100));
  report("memory", 2, 100);
  report("memory", 3, 100);
  EXPECT_EQ(told(), Told{});
  ASSERT_EQ(later_.size(), 1u);
  EXPECT_EQ(later_[0].first, 150);
  clock_.run(std::chrono::milliseconds(150));
  later_[0].second();
  EXPECT_EQ(told(), Told{"memory 3/100"});
  clock_.run(std::chrono::milliseconds(300));
  report("memory", 3, 100);
  EXPECT_EQ(told(), Told{}) << "it is the same";
  report("written", 1, 1);
  EXPECT_EQ(told(), Told{"written 1/1"});
  EXPECT_EQ(later_.size(), 1u);
}

TEST_F(ProgressFeedTest, ItIsForgottenWithTheCall) {
  auto report = std::make_optional(feed_.of("vm", 1));
  auto copy = report;
  (*report)("memory", 1, 2);
  ASSERT_EQ(feed_.latest().size(), 1u);
  EXPECT_EQ(feed_.latest()[0].revision, 1);
  report.reset();
  EXPECT_EQ(feed_.latest().size(), 1u);
  (*copy)("memory", 2, 2);
  copy.reset();
  EXPECT_TRUE(feed_.latest().empty());
  told();
  for (const auto& [ms, work] : later_) work();
  EXPECT_EQ(told(), Told{}) << "nobody waits for it any more";
}

TEST_F(ProgressFeedTest, AHungCallTellsNothingOfTheCommandThatOvertookIt) {
  auto hung = std::make_optional(feed_.of("vm", 1));
  (*hung)("memory", 1, 2);
  const auto report = feed_.of("vm", 2);
  report("stop", 0, 0);
  EXPECT_EQ(told(), (Told{"memory 1/2", "stop 0/0"}));
  (*hung)("memory", 2, 2);
  EXPECT_EQ(told(), Told{});
  hung.reset();
  ASSERT_EQ(feed_.latest().size(), 1u);
  EXPECT_EQ(feed_.latest()[0].step, "stop");
}

TEST_F(ProgressFeedTest, AHungCallTellsNothingEitherOnceTheNewerOneIsForgotten) {
  const auto hung = feed_.of("vm", 1);
  auto report = std::make_optional(feed_.of("vm", 2));
  (*report)("stop", 0, 0);
  report.reset();
  EXPECT_TRUE(feed_.latest().empty());
  told();
  hung("memory", 2, 2);
  EXPECT_EQ(told(), Told{});
  EXPECT_TRUE(feed_.latest().empty());
}

TEST_F(ProgressFeedTest, WhatTheHostsShutdownDoesIsNoCommandOfAServer) {
  EXPECT_FALSE(feed_.of("vm", 0));
  EXPECT_TRUE(feed_.latest().empty());
}

TEST_F(ProgressFeedTest, NobodyHasToListen) {
  feed_.listen(nullptr);
  const auto report = feed_.of("vm", 1);
  report("memory", 1, ~0ULL);
  EXPECT_GT(feed_.latest().at(0).total, 0);
}

}  // namespace
}  // namespace qarax::agent
