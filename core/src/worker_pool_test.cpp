#include "qarax/core/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>

namespace qarax::core {
namespace {

using namespace std::chrono_literals;

TEST(WorkerPool, HungWorkTakesNobodysTurn) {
  WorkerPool pool("test", 1, 3);
  std::promise<void> release;
  const auto released = release.get_future().share();
  for (int i = 0; i < 2; ++i) pool.post([released] { released.wait(); });
  std::promise<void> third;
  pool.post([&] { third.set_value(); });
  EXPECT_EQ(third.get_future().wait_for(10s), std::future_status::ready);
  release.set_value();
  pool.stop();
}

TEST(WorkerPool, NeverMoreThanTheMost) {
  WorkerPool pool("test", 0, 2);
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::atomic<int> done = 0;
  for (int i = 0; i < 8; ++i)
    pool.post([&, released] {
      released.wait();
      ++done;
    });
  EXPECT_EQ(pool.threads(), 2U);
  release.set_value();
  pool.stop();
  EXPECT_EQ(done, 8) << "stop() runs what is queued";
}

TEST(WorkerPool, WorkThatThrowsEndsNothing) {
  WorkerPool pool("test", 1, 1);
  pool.post([] { throw std::runtime_error("of the test"); });
  std::promise<void> next;
  pool.post([&] { next.set_value(); });
  EXPECT_EQ(next.get_future().wait_for(10s), std::future_status::ready);
}

// One task at a time needs one thread. If idle threads took turns, none would be idle long enough to end.
TEST(WorkerPool, UnderALightLoadItsThreadsGo) {
  constexpr std::size_t kMost = 4;
  WorkerPool pool("test", 1, kMost, 300ms);
  std::latch all_busy(kMost);
  for (std::size_t i = 0; i < kMost; ++i) pool.post([&] { all_busy.arrive_and_wait(); });
  all_busy.wait();
  EXPECT_EQ(pool.threads(), kMost);
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (pool.threads() > 1 && std::chrono::steady_clock::now() < until) {
    std::promise<void> done;
    pool.post([&] { done.set_value(); });
    done.get_future().wait();
    std::this_thread::sleep_for(20ms);  // a light load
  }
  EXPECT_EQ(pool.threads(), 1U);
}

}  // namespace
}  // namespace qarax::core
