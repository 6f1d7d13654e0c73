// Fake hosts for the tests: FakeHost answers questions about QEMU, ScriptedHost plays a QEMU on a thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "real_host.hpp"

namespace qarax::qemu::testing {

using plugin::connect_unix;
using plugin::listen_unix;
using plugin::Socket;
using plugin::testing::RealHost;
using plugin::testing::TestCall;

// Without an on_run it answers like an ordinary QEMU that is asked for its version and machines.
class FakeHost : public plugin::testing::FakeHost {
 public:
  Result<RunResult> run(const plugin::Call* parent, const RunArgs& args, std::int64_t timeout_ms) override;
};

// Plays QEMU on a thread: serves the monitor, one connection at a time, and ends when told.
class ScriptedHost final : public FakeHost {
 public:
  ~ScriptedHost() override;
  // Ends what was spawned and waits for it: on_command isn't called any more.
  void end_and_wait();
  Result<Process> spawn(const plugin::Call*, const SpawnArgs& args, const std::vector<int>& fds) override;
  Result<Process> find(const plugin::Call*, const ProcessArgs&) override;
  Status kill(const plugin::Call*, const ProcessArgs&) override;
  Result<Process> wait(const plugin::Call*, const ProcessArgs&, std::int64_t timeout_ms) override;

  // To be set before the spawn.
  bool dies_at_once = false;     // exits with code 1 and a last log line
  bool records_late = false;     // find and wait don't tell its end before it is killed: DEADLINE_EXCEEDED
  bool hangs = false;            // accepts no connection
  bool hears_the_button = true;  // system_powerdown ends it with code 0
  std::string refuses{};         // this command is answered with the error `refusal`
  std::string refusal = "not today";
  std::optional<Error> find_fails{};  // the answer of find, if set
  // The JSON that a command returns; nullopt: what an ordinary QEMU answers. Runs on QEMU's thread.
  std::function<std::optional<std::string>(const std::string& command, const json::Value& arguments)> on_command{};

  void end(ExitKind kind, int value, std::string log_tail = {});
  // No answer to it from now on, or to the next `times` of it; empty: answers all commands.
  void ignore(std::string command, int times = -1);
  void delay(std::string command);      // executed, but answered together with the next one; empty: delays none
  void set_status(std::string status);  // the answer to query-status
  std::vector<std::string> commands() const;
  SpawnArgs spawned;

 private:
  void serve(const Socket& listener);
  Result<Process> process_now() const;  // under state_
  bool answer(int peer, const std::string& command, const json::Value& arguments);

  mutable std::mutex state_;
  std::condition_variable ended_;
  std::optional<Process> process_;
  std::string status_ = "prelaunch";
  std::string ignored_;
  int ignored_times_ = -1;  // below 0: always
  std::string delayed_;
  std::string late_;  // the delayed answer
  std::vector<std::string> commands_;
  int stop_fd_ = -1;
  Socket listener_;
  std::thread thread_;
};

}  // namespace qarax::qemu::testing
