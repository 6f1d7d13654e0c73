#include "clock.hpp"

#include <gtest/gtest.h>

#include "test_support.hpp"

namespace qarax::simulator {
namespace {

TEST(SystemClock, ADelayEndsWithTheCallsDeadlineOrCancel) {
  SystemClock clock;
  testing::TestCall late;
  late.set_deadline_ms(1);
  EXPECT_EQ(clock.delay(late.get(), 600'000).error().code, Code::deadline_exceeded);
  testing::TestCall cancelled;
  cancelled.cancel();
  EXPECT_EQ(clock.delay(cancelled.get(), 600'000).error().code, Code::cancelled);
}

TEST(SystemClock, ADelayTakesItsTime) {
  SystemClock clock;
  testing::TestCall call;
  const std::int64_t before = clock.now_ns();
  ASSERT_TRUE(clock.delay(call.get(), 2));
  EXPECT_GE(clock.now_ns() - before, 2'000'000);
  EXPECT_TRUE(clock.delay(call.get(), 0));
}

TEST(SystemClock, ADelayTellsHowFarItIs) {
  SystemClock clock;
  testing::TestCall call;
  ASSERT_TRUE(clock.delay(call.get(), 260));
  ASSERT_GE(call.progress.size(), 2u) << "it is longer than what is waited for at once";
  EXPECT_EQ(call.progress[0], "delay 0/260");
  EXPECT_TRUE(call.progress.back().ends_with("/260"));
}

TEST(SystemClock, SleepEndsByItself) {
  SystemClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_lock lock(mutex);
  const std::int64_t until = clock.now_ns() + 1'000'000;
  while (clock.now_ns() < until) clock.sleep_until(lock, changed, until);
  EXPECT_TRUE(lock.owns_lock());
}

}  // namespace
}  // namespace qarax::simulator
