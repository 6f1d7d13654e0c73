// The pool by itself; server_stress_test.cpp has it with connections.
#include "http/worker_pool.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>

namespace qarax::http {
namespace {

using namespace std::chrono_literals;

class WorkerPoolTest : public ::testing::Test {
 protected:
  // Whether that many jobs were on a thread each at the same moment. Every job waits for it.
  bool meet(int count) {
    std::unique_lock lock(mutex_);
    ++present_;
    changed_.notify_all();
    return changed_.wait_for(lock, 20s, [&] { return present_ >= count; });
  }

  std::atomic<int> queued_{0};
  const std::atomic<int> lingering_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  int present_ = 0;
};

TEST_F(WorkerPoolTest, AnIdleThreadThatWasRousedIsNotCountedForASecondJob) {
  std::promise<void> first;
  std::promise<bool> met[2];
  std::atomic<int> begun{0};
  WorkerPool pool(
      {.name = "pool-test", .running = 2, .max = 8},
      [&](WorkerPool::Job) {
        const int number = begun++;
        if (number == 0) return first.set_value();
        met[number - 1].set_value(meet(2));
      },
      queued_, lingering_);
  pool.push(nullptr);
  first.get_future().wait();  // now there is one thread, which has nothing to do
  // Both jobs come while no more may run, so that one call rouses for both.
  pool.end_blocking();
  pool.end_blocking();
  pool.push(nullptr);
  pool.push(nullptr);
  pool.grow_if_stalled();  // the first job was taken since
  pool.grow_if_stalled();
  for (auto& one : met) EXPECT_TRUE(one.get_future().get()) << "no thread came for the other job";
}

}  // namespace
}  // namespace qarax::http
