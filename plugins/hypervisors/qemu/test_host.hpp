// Hosts for the tests: what the node agent does for a plugin, with a scripted QEMU or a real one in its place.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "qarax/plugin/hypervisor.hpp"
#include "unix_socket.hpp"

namespace qarax::qemu::testing {

using plugin::connect_unix;
using plugin::listen_unix;
using plugin::Socket;

// A call with sinks; `kept` is what keep() got last.
class TestCall {
 public:
  TestCall();
  ~TestCall();
  TestCall(const TestCall&) = delete;
  TestCall& operator=(const TestCall&) = delete;
  plugin::Call& get() { return call_; }
  void set_deadline_ms(std::int64_t ms);
  void cancel();

  std::string kept = "null";
  bool keep_fails = false;
  std::function<void()> on_keep = [] {};

 private:
  qarax_call raw_{};
  int cancel_fd_;
  plugin::Call call_{&raw_};
};

// What a fake or real VMM is to a host: one process.
class FakeHost : public plugin::Host {
 public:
  void log(plugin::LogLevel, std::string_view message) override { note("log " + std::string(message)); }
  void notify(std::string_view vm) override { note("notify " + std::string(vm)); }
  Status claim(const plugin::Call*, const ClaimArgs& args) override {
    note("claim " + args.kind);
    return Ok{};
  }
  Status release(const plugin::Call*, const ClaimArgs& args) override {
    note("release " + args.kind);
    return Ok{};
  }
  Status signal(const plugin::Call*, const SignalArgs&) override { return Ok{}; }
  Result<RunResult> run(const plugin::Call*, const RunArgs& args, std::int64_t) override;

  // One word per call, in order.
  std::vector<std::string> calls() const;
  int count(const std::string& call) const;
  bool wait_for(const std::string& call);
  std::function<Result<RunResult>(const RunArgs&)> on_run;  // none: as an ordinary QEMU answers

 protected:
  void note(std::string call);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
};

// A QEMU that is a thread: answers its monitor, one connection at a time, and ends as told.
class ScriptedHost final : public FakeHost {
 public:
  ~ScriptedHost() override;
  Result<Process> spawn(const plugin::Call*, const SpawnArgs& args, const std::vector<int>& fds) override;
  Result<Process> find(const plugin::Call*, const ProcessArgs&) override;
  Status kill(const plugin::Call*, const ProcessArgs&) override;
  Result<Process> wait(const plugin::Call*, const ProcessArgs&, std::int64_t timeout_ms) override;

  // Set before the spawn.
  bool dies_at_once = false;          // with code 1 and a last line
  bool hangs = false;                 // accepts nobody
  bool hears_the_button = true;       // system_powerdown ends it with code 0
  std::string refuses{};              // this command is answered by an error
  std::optional<Error> find_fails{};  // what find answers instead

  void end(ExitKind kind, int value, std::string log_tail = {});
  void ignore(std::string command);     // it gets no answer from now on; empty: all do
  void set_status(std::string status);  // what query-status says
  std::vector<std::string> commands() const;
  SpawnArgs spawned;

 private:
  void serve(const Socket& listener);
  bool answer(int peer, const std::string& command);

  mutable std::mutex state_;
  std::condition_variable ended_;
  std::optional<Process> process_;
  std::string status_ = "prelaunch";
  std::string ignored_;
  std::vector<std::string> commands_;
  int stop_fd_ = -1;
  std::thread thread_;
};

// The machine's own QEMU, forked here and read at its serial socket.
class RealHost final : public FakeHost {
 public:
  ~RealHost() override;
  Result<Process> spawn(const plugin::Call*, const SpawnArgs& args, const std::vector<int>& fds) override;
  Result<Process> find(const plugin::Call*, const ProcessArgs&) override;
  Status kill(const plugin::Call*, const ProcessArgs&) override;
  Result<Process> wait(const plugin::Call*, const ProcessArgs&, std::int64_t timeout_ms) override;
  Result<RunResult> run(const plugin::Call*, const RunArgs& args, std::int64_t timeout_ms) override;

  // The guest's output from `from` on, as soon as it holds `text`; empty after `ms`.
  std::string console(const std::string& text, std::int64_t ms, std::size_t from = 0);
  std::size_t console_size() const;

 private:
  void reap(bool block);
  mutable std::mutex mutex_;
  std::condition_variable said_;
  std::string output_;
  std::optional<Process> process_;
  Socket serial_;
  std::thread reader_;
};

}  // namespace qarax::qemu::testing
