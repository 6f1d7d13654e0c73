// A host that records what its plugins ask of it, and the plugins that tests load.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "qarax/core/plugin_host/plugin_host.hpp"
#include "temp_folder.hpp"

namespace qarax::core::testing {

class RecordingServices final : public HostServices {
 public:
  // Answers the next spawns; unset: a live process with pid 4242.
  std::function<Result<Process>(const CallView&)> on_spawn;
  std::function<Result<Process>()> on_find;  // answers find; unset: whether the process of the last spawn lives
  std::function<void(std::string_view plugin, std::string_view vm)> on_notify;
  std::string log_tail{};  // not empty: processes have an exit with this log tail

  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  void event(std::string text) {
    const std::lock_guard lock(mutex_);
    if (events_.size() < 1000) events_.push_back(std::move(text));  // bounded, as a rogue thread never stops
  }

  void log(std::string_view plugin, plugin::LogLevel level, std::string_view message) override {
    event("log " + std::string(plugin) + " " + std::to_string(static_cast<int>(level)) + " " + std::string(message));
  }
  void notify(std::string_view plugin, std::string_view vm) override {
    event("notify " + std::string(plugin) + " " + std::string(vm));
    if (on_notify) on_notify(plugin, vm);
  }
  Result<Process> spawn(const CallView& call, const SpawnArgs& args) override {
    event("spawn " + args.vm + "/" + std::to_string(args.incarnation) + " " + args.argv.at(0) +
          " request=" + std::string(call.request_id));
    if (on_spawn) return on_spawn(call);
    alive_ = true;
    return process();
  }
  Result<Process> find(const CallView&, const ProcessArgs& args) override {
    event("find " + args.vm);
    return on_find ? on_find() : process();
  }
  Status signal(const CallView&, const SignalArgs& args) override {
    event("signal " + std::to_string(args.signal));
    return Ok{};
  }
  Status kill(const CallView&, const ProcessArgs& args) override {
    event("kill " + args.vm);
    alive_ = false;
    return Ok{};
  }
  Result<Process> wait(const CallView&, const ProcessArgs&) override { return process(); }
  Status claim(const CallView&, const ClaimArgs& args) override {
    event("claim " + args.kind + " " + args.name);
    return Ok{};
  }
  Status release(const CallView&, const ClaimArgs&) override { return Ok{}; }
  Result<RunResult> run(const CallView&, const RunArgs&) override { return RunResult{}; }

 private:
  Process process() const {
    Process process;
    process.pid = 4242;
    process.start_time = 1;
    process.alive = alive_;
    if (!log_tail.empty()) process.exit.emplace().log_tail = log_tail;
    return process;
  }
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
  std::atomic<bool> alive_{false};
};

// Copies a fixture into the folder, so that a test can modify it.
inline std::string take(const TempFolder& folder, const std::string& file, const std::string& as) {
  std::filesystem::copy_file(file, folder / as, std::filesystem::copy_options::overwrite_existing);
  return folder / as;
}

inline std::string fixture(const std::string& name) { return std::string(QARAX_FIXTURES) + "/" + name + ".so"; }

}  // namespace qarax::core::testing
