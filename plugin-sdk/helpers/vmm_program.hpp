// A VMM's program on this host: what was found out of it, and when that has to be found out anew.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

// Why the program at `path`, as a config names it, can't be run; empty: it can.
std::string why_not_runnable(const std::string& path);

bool ended_well(const Result<RunResult>& result);
// Why a run gave no answer; `limit_ms`: what it was given.
std::string why_unanswered(const Result<RunResult>& result, std::int64_t limit_ms);

// What was found out, for any thread. A program may take seconds to answer, so no lock is held while it is asked.
template <class Found>
class Watched {
 public:
  explicit Watched(std::shared_ptr<Found> first) : now_(std::move(first)) {}

  std::shared_ptr<Found> get() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }

  // What `find` makes, where `is_stale` says so of what there is: that goes when nobody uses it any more. One thread at
  // a time finds; the others wait for it within their call's limits, and take what there was where those are over.
  template <class IsStale, class Find>
  std::shared_ptr<Found> renewed(const Call& call, const IsStale& is_stale, const Find& find) {
    std::shared_ptr<Found> before;
    std::unique_lock lock(mutex_);
    while (is_finding_) {
      if (call.expired() || call.cancelled()) return now_;
      found_.wait_for(lock, std::chrono::milliseconds(call.remaining_ms(kLookMs)));
    }
    if (!is_stale(std::as_const(*now_))) return now_;
    is_finding_ = true;
    lock.unlock();
    const Turn turn(*this);
    std::shared_ptr<Found> now = find();
    lock.lock();
    before = std::exchange(now_, now);
    lock.unlock();
    return now;
  }

 private:
  static constexpr int kLookMs = 50;  // at the call's cancel
  struct Turn {
    explicit Turn(Watched& of) : of_(of) {}
    ~Turn() {
      {
        const std::lock_guard lock(of_.mutex_);
        of_.is_finding_ = false;
      }
      of_.found_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Watched& of_;
  };

  mutable std::mutex mutex_;
  std::condition_variable found_;
  bool is_finding_ = false;
  std::shared_ptr<Found> now_;
};

// Has the host ask describe() again after a while, for what couldn't be found out: an unhealthy plugin is asked by
// nobody else.
class Reminder {
 public:
  Reminder(Host& host, int after_ms);
  ~Reminder();  // at once, and joins
  Reminder(const Reminder&) = delete;
  Reminder& operator=(const Reminder&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ends_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace qarax::plugin
