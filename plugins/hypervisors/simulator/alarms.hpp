// Calls back when a VM's time has come, on a thread of its own.
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
  // `clock` must outlive this object; `on_due` is called on the alarm thread without a lock held.
  Alarms(Clock& clock, std::function<void(const std::string& vm)> on_due);
  ~Alarms();  // joins
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;

  // Sets the VM's only alarm, replacing an earlier one. 0 removes it.
  void set(const std::string& vm, std::int64_t at_ns);

 private:
  void run();

  Clock& clock_;
  const std::function<void(const std::string& vm)> on_due_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::int64_t> at_;
  bool stopping_ = false;
  std::thread thread_;  // declared last: it uses all members above
};

}  // namespace qarax::simulator
