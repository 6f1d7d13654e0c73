#include "running_time.hpp"

#include <Poco/Data/Statement.h>

#include <utility>

namespace qarax::server {

using namespace Poco::Data::Keywords;

RunningTime::RunningTime(ClockPtr clock)
    : clock_(clock ? std::move(clock) : std::make_shared<const core::SystemClock>()),
      begun_ns_(clock_->monotonic_ns()) {}

void RunningTime::load(Session& session) {
  session << "SELECT ran FROM cluster", into(before_), now;
  std::int64_t ran = before_;
  session << "UPDATE events SET ran = $1 WHERE ran IS NULL", use(ran), now;
  session << "UPDATE jobs SET ran = $1 WHERE ran IS NULL AND finished_at IS NOT NULL", use(ran), now;
  session << "UPDATE idempotency_keys SET ran = $1 WHERE ran IS NULL", use(ran), now;
}

void RunningTime::save(Session& session) const {
  std::int64_t ran = seconds();
  session << "UPDATE cluster SET ran = $1 WHERE ran < $1", use(ran), now;
}

std::int64_t RunningTime::seconds() const { return before_ + (clock_->monotonic_ns() - begun_ns_) / 1'000'000'000; }

}  // namespace qarax::server
