#include "qarax/core/worker_pool.hpp"

#include <chrono>
#include <exception>
#include <system_error>

#include "qarax/core/logging.hpp"

namespace qarax::core {

void WorkerPool::post(std::function<void()> work) {
  std::list<std::thread> finished;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
    finished.swap(ended_);
    if (idle_ < queue_.size() && threads_.size() < most_) {
      threads_.emplace_front();
      const auto self = threads_.begin();
      try {
        *self = std::thread([this, self] { run(self); });
      } catch (const std::system_error& e) {
        threads_.pop_front();
        // Another one will get to it; without any there is nobody to do it.
        if (threads_.empty()) throw;
        logger("core")->error("no thread could be made threads={} reason={}", threads_.size(), e.what());
      }
    }
  }
  ready_.notify_one();
  for (auto& thread : finished) thread.join();
}

void WorkerPool::run(std::list<std::thread>::iterator self) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    const bool woken = ready_.wait_for(lock, std::chrono::seconds(30), [&] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (!queue_.empty()) {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      try {
        work();
      } catch (const std::exception& e) {
        // A border: whatever escapes here would end the process.
        logger("core")->error("work in the background failed reason={}", log_value(e.what()));
      }
      work = nullptr;
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (!woken && threads_.size() > base_) {
      ended_.splice(ended_.end(), threads_, self);
      return;
    }
  }
}

void WorkerPool::stop() {
  std::list<std::thread> all;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
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
