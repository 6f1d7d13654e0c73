// Hosts for the tests of plugins: they do what the node agent does for a plugin, with processes forked by the test.
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

// A call with sinks; `kept` is the last handle given to keep().
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

// Base of hosts with one process, the fake or real VMM; records the calls.
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

  // The calls in order, one text each.
  std::vector<std::string> calls() const;
  int count(const std::string& call) const;
  bool wait_for(const std::string& call, int times = 1);
  std::function<Result<RunResult>(const RunArgs&)> on_run;  // unset: UNIMPLEMENTED

 protected:
  void note(std::string call);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
};

// Forks the VMM in its run folder, as the supervisor does, and reads its serial socket, whose output a supervisor would
// keep.
class RealHost final : public FakeHost {
 public:
  ~RealHost() override;
  Result<Process> spawn(const Call*, const SpawnArgs& args, const std::vector<int>& fds) override;
  Result<Process> find(const Call*, const ProcessArgs&) override;
  Status kill(const Call*, const ProcessArgs&) override;
  Result<Process> wait(const Call*, const ProcessArgs&, std::int64_t timeout_ms) override;
  Result<RunResult> run(const Call*, const RunArgs& args, std::int64_t timeout_ms) override;

  std::map<std::string, std::string> more_env{};  // environment for the VMM, besides what the plugin sets
  void type(const std::string& line);             // types at the guest's console; `line` has no line end
  // Waits until the guest's output from offset `from` on contains `text` and returns it; empty after `ms`.
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
  Socket log_;     // output of the VMM itself, not its console
  Socket pid_fd_;  // readable once the process has ended
  std::thread reader_;
};

}  // namespace qarax::plugin::testing
