// The tasks of one VM, one after the other.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "qarax/core/worker_pool.hpp"

namespace qarax::agent {

// Thread-safe: any thread calls any function, and none of them waits for a task. The strand takes its own lock only,
// and calls nothing under it. Its owner and the pool share the strand: it lives as long as it has a task.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  // A task that has to wait for something other than a call of its own steps aside: the strand then has no thread and
  // begins no other task until it is resumed.
  enum class Went { through, aside };
  // A task runs on a thread of the pool. It doesn't throw.
  using Task = std::function<Went()>;

  // `pool` outlives the strand.
  explicit Strand(core::WorkerPool& pool) : pool_(pool) {}

  // The task runs when all tasks that were enqueued before it are through. After close() the task is dropped.
  void enqueue(Task task);
  // Whatever a task stepped aside for calls this exactly once: the pool runs `rest` as the remainder of the task, and
  // then the other tasks.
  void resume(std::function<void()> rest);
  // A task that has begun runs to its end, and no other begins. The caller gets the other tasks and must destroy them
  // while it holds no lock, because their destructors may wake somebody who waits for a task's end.
  std::deque<Task> close();
  // A task has begun and isn't through, or is about to begin.
  bool is_busy() const;

 private:
  void work();

  core::WorkerPool& pool_;
  mutable std::mutex mutex_;
  std::deque<Task> tasks_;
  bool is_busy_ = false;
  bool is_closed_ = false;
};

}  // namespace qarax::agent
