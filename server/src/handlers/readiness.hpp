// Whether the store takes a write, for callers who have shown no credentials: however many ask, one look is under way,
// and a good answer holds for a second. A bad one doesn't, so that what heals is ready at once: it costs no write.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "store.hpp"

namespace qarax::server {

class Readiness {
 public:
  // `look` writes; a null clock is the system's.
  explicit Readiness(std::function<Status()> look, ClockPtr clock = nullptr);

  // Any thread; waits for the look that is under way.
  Status check();
  int waiting() const;  // how many do

 private:
  const std::function<Status()> look_;
  const ClockPtr clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool looking_ = false;
  int waiting_ = 0;
  std::uint64_t looks_ = 0;  // that are done
  Status last_ = Ok{};
  std::int64_t good_until_ns_ = 0;
};

}  // namespace qarax::server
