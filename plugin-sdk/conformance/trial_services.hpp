// Wraps the agent's host services: records in which order the plugin used them, and has a hook after a spawn.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "plugin_services.hpp"

namespace qarax::conformance {

class TrialServices final : public core::HostServices {
 public:
  explicit TrialServices(agent::PluginServices& real) : real_(real) {}

  // Runs when the process exists and the plugin doesn't know yet. To be set before the calls.
  std::function<void()> after_spawn;

  // "keep", "claim socket" and "spawn" when each begins, "spawned" when the spawn succeeded.
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void note(std::string what) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(std::move(what));
  }

  void log(std::string_view plugin, plugin::LogLevel level, std::string_view message) override {
    real_.log(plugin, level, message);
  }
  void notify(std::string_view plugin, std::string_view vm) override { real_.notify(plugin, vm); }
  Result<Process> spawn(const core::CallView& call, const SpawnArgs& args) override {
    note("spawn");
    auto process = real_.spawn(call, args);
    if (process) note("spawned");
    if (process && after_spawn) after_spawn();
    return process;
  }
  Result<Process> find(const core::CallView& call, const ProcessArgs& args) override { return real_.find(call, args); }
  Status signal(const core::CallView& call, const SignalArgs& args) override { return real_.signal(call, args); }
  Status kill(const core::CallView& call, const ProcessArgs& args) override { return real_.kill(call, args); }
  Result<Process> wait(const core::CallView& call, const ProcessArgs& args) override { return real_.wait(call, args); }
  Status claim(const core::CallView& call, const ClaimArgs& args) override {
    note("claim " + args.kind);
    return real_.claim(call, args);
  }
  Status release(const core::CallView& call, const ClaimArgs& args) override { return real_.release(call, args); }
  Result<RunResult> run(const core::CallView& call, const RunArgs& args) override { return real_.run(call, args); }

 private:
  agent::PluginServices& real_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
};

}  // namespace qarax::conformance
