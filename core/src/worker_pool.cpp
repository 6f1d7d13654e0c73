#include "qarax/core/worker_pool.hpp"

#include <algorithm>
#include <system_error>

#include "qarax/core/logging.hpp"
#include "qarax/core/threads.hpp"

namespace qarax::core {

WorkerPool::WorkerPool(std::string name, std::size_t base, std::size_t most, std::chrono::milliseconds idle_for)
    : name_(std::move(name)), base_(base), most_(most), idle_for_(idle_for) {
  const std::lock_guard lock(mutex_);
  if (base_ > 0) add_thread();
}

void WorkerPool::add_thread() {
  threads_.emplace_front();
  const auto self = threads_.begin();
  try {
    *self = std::thread([this, self] { run(self); });
  } catch (const std::system_error&) {
    threads_.pop_front();
    throw;
  }
}

void WorkerPool::post(std::function<void()> work) {
  std::list<std::thread> finished;
  std::shared_ptr<Idler> called;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
    if (!idle_.empty()) {
      called = std::move(idle_.back());
      idle_.pop_back();
      called->called = true;
    } else if (threads_.size() < most_) {
      try {
        add_thread();
      } catch (const std::system_error& e) {
        // Another thread will do the work. If there is none, the caller gets the exception, and the work must never
        // run.
        if (threads_.empty()) {
          queue_.pop_back();
          throw;
        }
        logger("core")->error("no thread could be made threads={} reason={}", threads_.size(), e.what());
      }
    }
    finished.swap(ended_);  // last, because the code above may throw and they must be joined
  }
  if (called) called->ready.notify_one();
  for (auto& thread : finished) thread.join();
}

// False: no work came within idle_for_.
bool WorkerPool::wait_for_work(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Idler>& self) {
  self->called = false;
  idle_.push_back(self);
  if (self->ready.wait_for(lock, idle_for_, [&] { return self->called || stopping_; })) return true;
  std::erase(idle_, self);
  return false;
}

void WorkerPool::run(std::list<std::thread>::iterator self) {
  name_this_thread(name_.c_str());
  const auto idler = std::make_shared<Idler>();
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!queue_.empty()) {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      guarded(name_, work);
      work = nullptr;
      lock.lock();
    } else if (stopping_) {
      return;
    } else if (!wait_for_work(lock, idler) && threads_.size() > base_) {
      ended_.splice(ended_.end(), threads_, self);
      return;
    }
  }
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& idler : idle_) idler->ready.notify_one();
  }
  for (;;) {
    std::list<std::thread> one;
    {
      const std::lock_guard lock(mutex_);
      if (!ended_.empty())
        one.splice(one.end(), ended_, ended_.begin());
      else if (!threads_.empty())
        one.splice(one.end(), threads_, threads_.begin());
      else
        return;
    }
    one.front().join();
  }
}

}  // namespace qarax::core
