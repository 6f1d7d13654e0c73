// Whether the store accepts writes, for unauthenticated callers: however many ask, only one check runs at a time, and a
// good result is kept for a second. A bad result isn't kept, so that a store that recovers is ready at once; a failed
// check costs no write.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "store.hpp"

namespace qarax::server {

class Readiness {
 public:
  // `look` is the check and writes to the store; a null clock means the system clock.
  explicit Readiness(std::function<Status()> look, ClockPtr clock = nullptr);

  // Any thread; waits for the check in progress, if there is one.
  Status check();
  int waiting() const;  // callers that wait for the check in progress

 private:
  const std::function<Status()> look_;
  const ClockPtr clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool looking_ = false;
  int waiting_ = 0;
  std::uint64_t looks_ = 0;  // finished checks
  Status last_ = Ok{};
  std::int64_t good_until_ns_ = 0;
};

}  // namespace qarax::server
