// Hosts for plugins' own tests: what the node agent does for a plugin, with a process that is forked here.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "qarax/plugin/hypervisor.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin::testing {

// A call with sinks; `kept` is what keep() got last.
class TestCall {
 public:
  TestCall();
  ~TestCall();
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;
  Call& get() { return call_; }
  void set_deadline_ms(std::int64_t ms);
  void cancel();
  void set_fds(std::vector<int> fds);  // borrowed

  std::string kept = "null";
  std::vector<std::string> progress;  // each that was told: "memory 3/4"
  bool keep_fails = false;
  std::function<void()> on_keep = [] {};

 private:
  qarax_call raw_{};
  std::vector<int> fds_;
  int cancel_fd_;
  Call call_{&raw_};
};

// What a fake or real VMM is to a host: one process.
class FakeHost : public Host {
 public:
  void log(LogLevel, std::string_view message) override { note("log " + std::string(message)); }
  void notify(std::string_view vm) override { note("notify " + std::string(vm)); }
  Status claim(const Call*, const ClaimArgs& args) override {
    note("claim " + args.kind);
    return Ok{};
  }
  Status release(const Call*, const ClaimArgs& args) override {
    note("release " + args.kind);
    return Ok{};
  }
  Status signal(const Call*, const SignalArgs&) override { return Ok{}; }
  Result<RunResult> run(const Call*, const RunArgs& args, std::int64_t) override;

  // One word per call, in order.
  std::vector<std::string> calls() const;
  int count(const std::string& call) const;
  bool wait_for(const std::string& call, int times = 1);
  std::function<Result<RunResult>(const RunArgs&)> on_run;  // none: UNIMPLEMENTED

 protected:
  void note(std::string call);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
};

// Forks what it is asked to, in its run folder as the supervisor does, and reads at its serial socket what a supervisor
// would keep.
class RealHost final : public FakeHost {
 public:
  ~RealHost() override;
  Result<Process> spawn(const Call*, const SpawnArgs& args, const std::vector<int>& fds) override;
  Result<Process> find(const Call*, const ProcessArgs&) override;
  Status kill(const Call*, const ProcessArgs&) override;
  Result<Process> wait(const Call*, const ProcessArgs&, std::int64_t timeout_ms) override;
  Result<RunResult> run(const Call*, const RunArgs& args, std::int64_t timeout_ms) override;

  std::map<std::string, std::string> more_env{};  // for the VMM, beside what the plugin gives it
  void type(const std::string& line);             // at the guest's console, without its line end
  // The guest's output from `from` on, as soon as it holds `text`; empty after `ms`.
  std::string console(const std::string& text, std::int64_t ms, std::size_t from = 0);
  std::size_t console_size() const;

 private:
  void reap(bool block);
  void read_console(const std::string& path);
  bool read_more(int fd, int wait_ms);
  void end_reader();

  mutable std::mutex mutex_;
  std::condition_variable said_;
  std::string output_;
  std::optional<Process> process_;
  Socket serial_;
  Socket log_;     // what the VMM says beside its console
  Socket pid_fd_;  // readable when the process has ended
  std::thread reader_;
};

}  // namespace qarax::plugin::testing
