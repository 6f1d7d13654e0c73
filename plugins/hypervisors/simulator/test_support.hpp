// For the tests: a clock that only moves when told to, a host that records calls, and a call with sinks.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "clock.hpp"
#include "qarax/plugin/hypervisor.hpp"

namespace qarax::simulator::testing {

class FakeClock final : public Clock {
 public:
  std::int64_t now_ns() const override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  // Returns at once after advancing the clock, unless the call has ended.
  Status delay(const plugin::Call& call, std::int64_t ms) override {
    if (call.cancelled()) return make_error(Code::cancelled, "cancelled");
    delays.push_back(ms);
    if (ms > allowed_ms) return make_error(Code::deadline_exceeded, "too long");
    advance(ms * 1'000'000);
    return Ok{};
  }
  void sleep_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, std::int64_t ns) override {
    {
      const std::lock_guard own(mutex_);
      sleeper_ = {lock.mutex(), &changed};
      if (now_ >= ns) return;
    }
    changed.wait(lock);
  }
  void advance(std::int64_t ns) {
    std::pair<std::mutex*, std::condition_variable*> sleeper;
    {
      const std::lock_guard own(mutex_);
      now_ += ns;
      sleeper = sleeper_;
    }
    if (sleeper.first == nullptr) return;
    const std::lock_guard lock(*sleeper.first);  // the sleeper is asleep, or hasn't looked at the time yet
    sleeper.second->notify_all();
  }

  std::vector<std::int64_t> delays;
  std::int64_t allowed_ms = 1'000'000;

 private:
  mutable std::mutex mutex_;
  std::int64_t now_ = 1'000;
  std::pair<std::mutex*, std::condition_variable*> sleeper_{};
};

class FakeHost final : public plugin::Host {
 public:
  void log(plugin::LogLevel, std::string_view) override {}
  void notify(std::string_view vm) override {
    {
      const std::lock_guard lock(mutex_);
      notified_.emplace_back(vm);
    }
    changed_.notify_all();
  }
  Result<Process> spawn(const plugin::Call*, const SpawnArgs&, const std::vector<int>&) override { return used(); }
  Result<Process> find(const plugin::Call*, const ProcessArgs&) override { return used(); }
  Status signal(const plugin::Call*, const SignalArgs&) override { return used(); }
  Status kill(const plugin::Call*, const ProcessArgs&) override { return used(); }
  Result<Process> wait(const plugin::Call*, const ProcessArgs&, std::int64_t) override { return used(); }
  Status claim(const plugin::Call*, const ClaimArgs&) override { return used(); }
  Status release(const plugin::Call*, const ClaimArgs&) override { return used(); }
  Result<RunResult> run(const plugin::Call*, const RunArgs&, std::int64_t) override { return used(); }

  bool wait_for(const std::string& vm) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return std::find(notified_.begin(), notified_.end(), vm) != notified_.end(); });
  }
  std::vector<std::string> notified() {
    const std::lock_guard lock(mutex_);
    return notified_;
  }
  bool process_service_used = false;

 private:
  Error used() {
    process_service_used = true;
    return make_error(Code::unimplemented, "the simulator has no processes");
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notified_;
};

class TestCall {
 public:
  TestCall() : cancel_fd_(::eventfd(0, EFD_CLOEXEC)) {
    raw_.size = sizeof raw_;
    raw_.cancel_fd = cancel_fd_;
    raw_.context = this;
    raw_.keep = [](const qarax_call* raw, qarax_text handle) noexcept -> std::int32_t {
      static_cast<TestCall*>(raw->context)->kept = std::string(plugin::view(handle));
      return QARAX_OK;
    };
    raw_.progress = [](const qarax_call* raw, qarax_text step, std::uint64_t done,
                       std::uint64_t total) noexcept -> std::int32_t {
      static_cast<TestCall*>(raw->context)
          ->progress.push_back(std::string(plugin::view(step)) + " " + std::to_string(done) + "/" +
                               std::to_string(total));
      return QARAX_OK;
    };
  }
  ~TestCall() {
    ::close(cancel_fd_);
    if (folder_ >= 0) ::close(folder_);
  }
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;
  plugin::Call& get() { return call_; }
  // Passes the folder as fds[0] of the call.
  void lend_folder(const std::string& path) {
    if (folder_ >= 0) ::close(folder_);
    folder_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    raw_.fds = &folder_;
    raw_.fd_count = 1;
  }
  void cancel() { ::eventfd_write(cancel_fd_, 1); }
  void set_deadline_ms(std::int64_t ms) { raw_.deadline_ns = plugin::monotonic_ns() + ms * 1'000'000; }
  std::string kept = "null";
  std::vector<std::string> progress;  // each that was told: "delay 3/4"

 private:
  qarax_call raw_{};
  int cancel_fd_;
  int folder_ = -1;
  plugin::Call call_{&raw_};
};

}  // namespace qarax::simulator::testing
