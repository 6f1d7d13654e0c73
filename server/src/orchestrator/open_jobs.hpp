// Jobs at hosts that go on without their request, retried until they end or their time is up.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "job.hpp"

namespace qarax::server {

// Thread-safe. The jobs of one host run one after the other; a host that doesn't answer doesn't delay the jobs of
// others.
class OpenJobs {
 public:
  struct Options {
    std::int64_t try_for_ms = 60'000;  // counted from the first attempt
    std::int64_t try_every_ms = 250;
  };
  // Tries the job once; returns true if the job has ended. `why`: as in add(). `last`: the time is up, so the job must
  // end now. An attempt that throws, also the last one, is made again.
  using Attempt = std::function<bool(const Job& job, const std::string& why, bool last)>;

  OpenJobs(Options options, Attempt attempt);
  // Waits for the attempts that are under way.
  ~OpenJobs();

  // Jobs that are added before this call wait for it.
  void start();
  // No attempt begins after this call. False: one is still under way.
  bool stop();
  void add(JobPtr job, std::string why);

 private:
  struct Open {
    JobPtr job;
    std::string why;
    std::optional<std::chrono::steady_clock::time_point> until;
  };
  struct Lane {
    std::vector<Open> open;
    bool works = false;
    std::thread thread;
  };
  void work(Lane& lane);  // call with mutex_ held
  void run(Lane& lane);

  const Options options_;
  const Attempt attempt_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::map<std::string, Lane> lanes_;  // by host id
  bool started_ = false;
  bool stopping_ = false;
  int attempts_ = 0;  // number of attempts under way
};

}  // namespace qarax::server
