#include "qarax/core/worker_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <system_error>

#include "qarax/core/threads.hpp"

namespace qarax::core {
namespace {

using namespace std::chrono_literals;

// While an object of this class lives, no thread can be created: no address space has room for the default stack.
class NoThreads {
 public:
  NoThreads() {
    EXPECT_EQ(::pthread_getattr_default_np(&before_), 0);
    pthread_attr_t huge;
    EXPECT_EQ(::pthread_getattr_default_np(&huge), 0);
    EXPECT_EQ(::pthread_attr_setstacksize(&huge, std::size_t{1} << 47), 0);
    EXPECT_EQ(::pthread_setattr_default_np(&huge), 0);
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    EXPECT_EQ(::pthread_setattr_default_np(&before_), 0);
    ::pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_{};
};

TEST(WorkerPool, WithABaseItNeedsNoFurtherThread) {
  WorkerPool pool("test", 1, 4);
  const NoThreads none;
  std::promise<void> release;
  const auto released = release.get_future().share();
  pool.post([released] { released.wait(); });
  std::promise<void> next;
  EXPECT_NO_THROW(pool.post([&] { next.set_value(); }));
  release.set_value();
  EXPECT_EQ(next.get_future().wait_for(10s), std::future_status::ready);
  EXPECT_THROW(WorkerPool("another", 1, 1), std::system_error);
}

TEST(WorkerPool, WhatNoThreadCouldBeMadeForIsNotDoneLater) {
  WorkerPool pool("test", 0, 1);
  std::atomic<bool> done = false;
  {
    const NoThreads none;
    EXPECT_THROW(pool.post([&] { done = true; }), std::system_error);
  }
  pool.post([] {});
  pool.stop();
  EXPECT_FALSE(done) << "its caller was told that it isn't";
}

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
  pool.post([] { throw 7; });
  std::promise<void> next;
  pool.post([&] { next.set_value(); });
  EXPECT_EQ(next.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Guarded, SaysWhetherSomethingEscaped) {
  bool done = false;
  EXPECT_TRUE(guarded("test", [&] { done = true; }));
  EXPECT_TRUE(done);
  EXPECT_FALSE(guarded("test", [] { throw std::runtime_error("of the test"); }));
  EXPECT_FALSE(guarded("test", [] { throw 7; }));
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
