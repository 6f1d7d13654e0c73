// Total time that servers have run on this database; the age of stored data is measured by it. It doesn't jump with the
// wall clock and stands still while no server runs, so that nothing is kept for a shorter time than promised.
#pragma once

#include <cstdint>

#include "session.hpp"
#include "store.hpp"

namespace qarax::server {

class RunningTime {
 public:
  // `clock` null: the system's clock.
  explicit RunningTime(ClockPtr clock);

  // Called in the initial load: continues from the saved value. Rows of earlier versions, which have no running time,
  // get the present one.
  void load(Session& session);
  // A killed server loses the time since its last save; rows that it wrote after that appear somewhat younger than they
  // are.
  void save(Session& session) const;
  std::int64_t seconds() const;  // thread-safe

 private:
  const ClockPtr clock_;
  const std::int64_t begun_ns_;
  std::int64_t before_ = 0;
};

}  // namespace qarax::server
