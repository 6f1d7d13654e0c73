// The hosts that the tests use: one with a QEMU that is a script, and one that forks the machine's own.
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

// Without an on_run it answers as an ordinary QEMU that is asked for its version and machines.
class FakeHost : public plugin::testing::FakeHost {
 public:
  Result<RunResult> run(const plugin::Call* parent, const RunArgs& args, std::int64_t timeout_ms) override;
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
  bool dies_at_once = false;     // with code 1 and a last line
  bool hangs = false;            // accepts nobody
  bool hears_the_button = true;  // system_powerdown ends it with code 0
  std::string refuses{};         // this command is answered by an error, with these words
  std::string refusal = "not today";
  std::optional<Error> find_fails{};  // what find answers instead
  // What a command returns, as JSON; nothing: as an ordinary QEMU answers. Runs on the thread that is QEMU.
  std::function<std::optional<std::string>(const std::string& command, const json::Value& arguments)> on_command{};

  void end(ExitKind kind, int value, std::string log_tail = {});
  void ignore(std::string command);     // it gets no answer from now on; empty: all do
  void delay(std::string command);      // carried out, and answered when the next one is; empty: none is
  void set_status(std::string status);  // what query-status says
  std::vector<std::string> commands() const;
  SpawnArgs spawned;

 private:
  void serve(const Socket& listener);
  bool answer(int peer, const std::string& command, const json::Value& arguments);

  mutable std::mutex state_;
  std::condition_variable ended_;
  std::optional<Process> process_;
  std::string status_ = "prelaunch";
  std::string ignored_;
  std::string delayed_;
  std::string late_;  // the answer to it
  std::vector<std::string> commands_;
  int stop_fd_ = -1;
  Socket listener_;
  std::thread thread_;
};

}  // namespace qarax::qemu::testing
