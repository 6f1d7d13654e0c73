// Tells somebody when a VM's time has come, on a thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "clock.hpp"

namespace qarax::simulator {

class Alarms {
 public:
  // `clock` outlives this; `on_due` is called without a lock held, from the thread.
  Alarms(Clock& clock, std::function<void(const std::string& vm)> on_due);
  ~Alarms();  // joins
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;

  // One alarm per VM; a later one replaces it. 0: none any more.
  void set(const std::string& vm, std::int64_t at_ns);

 private:
  void run();

  Clock& clock_;
  const std::function<void(const std::string& vm)> on_due_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::int64_t> at_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace qarax::simulator
