#include "linger.hpp"

#include <gtest/gtest.h>

namespace qarax::cli {
namespace {

using namespace std::chrono_literals;

constexpr Linger::Clock::time_point kBegin{};

TEST(Linger, ItBeginsWithTheEndOfTheInput) {
  Linger linger(1s);
  linger.note(false, true, kBegin);
  EXPECT_EQ(linger.poll_timeout(kBegin + 1h), -1);
  EXPECT_FALSE(linger.is_over(kBegin + 1h));
  linger.note(true, true, kBegin + 1h);
  EXPECT_EQ(linger.poll_timeout(kBegin + 1h), 1000);
  linger.note(true, true, kBegin + 1h + 400ms);  // each round of the loop notes it again
  EXPECT_EQ(linger.poll_timeout(kBegin + 1h + 400ms), 600);
  EXPECT_FALSE(linger.is_over(kBegin + 1h + 999ms));
  EXPECT_TRUE(linger.is_over(kBegin + 1h + 1s));
  EXPECT_EQ(linger.poll_timeout(kBegin + 2h), 0);
}

// A paused guest takes nothing: the loop must sleep until it does, and not ask the socket again and again.
TEST(Linger, WhatTheGuestHasNotTakenIsWaitedForWithoutATimeout) {
  Linger linger(1s);
  linger.note(true, false, kBegin);
  EXPECT_EQ(linger.poll_timeout(kBegin + 1h), -1);
  EXPECT_FALSE(linger.is_over(kBegin + 1h));
  linger.note(true, true, kBegin + 1h);
  EXPECT_EQ(linger.poll_timeout(kBegin + 1h), 1000) << "the guest has a second to answer";
}

TEST(Linger, NoTimeAtAllEndsItAtOnce) {
  Linger linger(0s);
  linger.note(true, true, kBegin);
  EXPECT_TRUE(linger.is_over(kBegin));
}

}  // namespace
}  // namespace qarax::cli
