// One task at a time, in order, and none after close().
#include "strand.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace qarax::agent {
namespace {

using Went = Strand::Went;

class StrandTest : public ::testing::Test {
 protected:
  void enqueue(std::function<void()> what) {
    strand_->enqueue([what = std::move(what)] {
      what();
      return Went::through;
    });
  }
  // Waits for all tasks enqueued so far.
  void drain() {
    std::promise<void> done;
    enqueue([&] { done.set_value(); });
    done.get_future().wait();
  }

  core::WorkerPool pool_{"test", 4, 16};
  const std::shared_ptr<Strand> strand_ = std::make_shared<Strand>(pool_);
};

TEST_F(StrandTest, TasksOfManyThreadsRunOneAtATimeEachThreadsInItsOrder) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::atomic<int> inside{0};
  std::vector<std::pair<int, int>> ran;  // no lock: two tasks at a time would be a data race
  std::vector<std::future<void>> threads;
  threads.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread)
    threads.push_back(std::async(std::launch::async, [&, thread] {
      for (int i = 0; i < kTasks; ++i)
        enqueue([&, thread, i] {
          EXPECT_EQ(++inside, 1);
          ran.emplace_back(thread, i);
          --inside;
        });
    }));
  for (auto& one : threads) one.get();
  drain();
  ASSERT_EQ(ran.size(), std::size_t{kThreads} * kTasks);
  std::vector<int> next(kThreads, 0);
  for (const auto& [thread, i] : ran) EXPECT_EQ(i, next[static_cast<std::size_t>(thread)]++);
}

TEST_F(StrandTest, WhatStepsAsideHoldsUpTheOthersUntilItIsResumed) {
  std::vector<int> ran;
  std::promise<void> aside;
  strand_->enqueue([&] {
    aside.set_value();
    return Went::aside;
  });
  enqueue([&] { ran.push_back(2); });
  aside.get_future().wait();
  EXPECT_TRUE(strand_->is_busy());
  strand_->resume([&] { ran.push_back(1); });
  drain();
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
}

TEST_F(StrandTest, AClosedStrandBeginsNothingAndHandsOverWhatWaited) {
  std::atomic<int> ran{0};
  std::promise<void> begun;
  std::promise<void> go_on;
  std::promise<void> ended;
  enqueue([&] {
    begun.set_value();
    go_on.get_future().wait();
    ++ran;
    ended.set_value();
  });
  enqueue([&] { ++ran; });
  begun.get_future().wait();
  EXPECT_EQ(strand_->close().size(), 1u);
  enqueue([&] { ++ran; });
  EXPECT_TRUE(strand_->close().empty());
  EXPECT_TRUE(strand_->is_busy());
  go_on.set_value();
  ended.get_future().wait();
  pool_.stop();
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(strand_->is_busy());
}

}  // namespace
}  // namespace qarax::agent
