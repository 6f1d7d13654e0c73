// How long servers of a database have run, all together: what the age of stored things is told by. It doesn't jump with
// the wall clock, and stands still while no server runs, so that nothing is ever kept for shorter than was promised.
#pragma once

#include <cstdint>

#include "session.hpp"
#include "store.hpp"

namespace qarax::server {

class RunningTime {
 public:
  // Null: the system's clock.
  explicit RunningTime(ClockPtr clock);

  // In the initial load: goes on from what was saved last. What was written without it, by an earlier version, is as
  // old as this moment.
  void load(Session& session);
  // Of a killed server up to the last save is known; what it wrote after that is somewhat younger than it could be.
  void save(Session& session) const;
  std::int64_t seconds() const;  // any thread

 private:
  const ClockPtr clock_;
  const std::int64_t begun_ns_;
  std::int64_t before_ = 0;
};

}  // namespace qarax::server
