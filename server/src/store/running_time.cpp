#include "running_time.hpp"

#include <utility>

namespace qarax::server {

RunningTime::RunningTime(ClockPtr clock)
    : clock_(clock ? std::move(clock) : std::make_shared<const core::SystemClock>()),
      begun_ns_(clock_->monotonic_ns()) {}

void RunningTime::load(Session& session) {
  before_ = session.numbers<1>("SELECT ran FROM cluster")[0];
  session.run("UPDATE events SET ran = $1 WHERE ran IS NULL", before_);
  session.run("UPDATE jobs SET ran = $1 WHERE ran IS NULL AND finished_at IS NOT NULL", before_);
  session.run("UPDATE idempotency_keys SET ran = $1 WHERE ran IS NULL", before_);
}

void RunningTime::save(Session& session) const { session.run("UPDATE cluster SET ran = $1 WHERE ran < $1", seconds()); }

std::int64_t RunningTime::seconds() const { return before_ + (clock_->monotonic_ns() - begun_ns_) / 1'000'000'000; }

}  // namespace qarax::server
