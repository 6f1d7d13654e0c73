// Jobs at hosts that go on without their request, tried again until they come to an end or their time is up.
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

// Thread-safe. The jobs of one host one after the other; a host that doesn't answer keeps no other's waiting.
class OpenJobs {
 public:
  struct Options {
    std::int64_t try_for_ms = 60'000;  // counted from the first attempt
    std::int64_t try_every_ms = 250;
  };
  // Tries the job once; true where that was its end. `why` it goes on, as in add(). `last`: it has to be.
  using Attempt = std::function<bool(const Job& job, const std::string& why, bool last)>;

  OpenJobs(Options options, Attempt attempt);
  // Waits for the attempts that are under way.
  ~OpenJobs();

  // Before that they only gather.
  void start();
  // No attempt begins after it. False: one is still under way.
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
  void work(Lane& lane);  // under mutex_
  void run(Lane& lane);

  const Options options_;
  const Attempt attempt_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  std::map<std::string, Lane> lanes_;  // by host
  bool started_ = false;
  bool stopping_ = false;
  int attempts_ = 0;  // under way
};

}  // namespace qarax::server
