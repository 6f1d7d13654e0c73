#include "timers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "qarax/plugin/call.hpp"

namespace qarax::agent {
namespace {

constexpr std::int64_t kHour = 3'600'000'000'000;

TEST(Timers, WhatIsForgottenIsNotDoneAndHoldsNothing) {
  Timers timers;
  const auto held = std::make_shared<int>(0);
  const auto handle = timers.at(plugin::monotonic_ns() + kHour, [held] { ++*held; });
  EXPECT_EQ(held.use_count(), 2);
  timers.forget(handle);
  EXPECT_EQ(held.use_count(), 1);
  timers.forget(handle);  // has no effect a second time
}

TEST(Timers, TwoOfOneInstantAreTwo) {
  Timers timers;
  const auto held = std::make_shared<int>(0);
  const std::int64_t then = plugin::monotonic_ns() + kHour;
  const auto first = timers.at(then, [held] {});
  timers.at(then, [held] {});
  timers.forget(first);
  EXPECT_EQ(held.use_count(), 2);
}

TEST(Timers, WorkThatThrowsKeepsNothingElseFromBeingDone) {
  std::promise<void> done;
  Timers timers;
  timers.at(0, [] { throw std::runtime_error("of the test"); });
  timers.at(1, [&] { done.set_value(); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(Timers, DoesInOrderOfTime) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string done;
  Timers timers;
  const auto append = [&](char what) {
    const std::lock_guard lock(mutex);
    done.push_back(what);
    changed.notify_all();
  };
  // The only thread is busy until both entries exist.
  timers.at(0, [&] {
    const std::int64_t now = plugin::monotonic_ns();
    timers.at(now + 2, [&] { append('b'); });
    timers.at(now + 1, [&] { append('a'); });
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return done.size() == 2; }));
  EXPECT_EQ(done, "ab");
}

}  // namespace
}  // namespace qarax::agent
