#include "open_jobs.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "wait_until.hpp"

namespace qarax::server {
namespace {

TEST(OpenJobs, AnAttemptThatThrowsIsMadeAgain) {
  std::atomic<int> attempts{0};
  OpenJobs jobs({.try_for_ms = 60'000, .try_every_ms = 1}, [&](const Job&, const std::string&, bool) -> bool {
    if (++attempts == 1) throw std::runtime_error("the store is out of memory");
    return true;
  });
  jobs.start();
  auto job = std::make_shared<Job>();
  job->host_id = "a-host";
  jobs.add(job, "its request has gone");
  EXPECT_TRUE(wait_until("the second attempt", [&] { return attempts == 2; }));
}

}  // namespace
}  // namespace qarax::server
