// The services that the host offers to plugins, provided by the agent's process service, log and VM manager.
#pragma once

#include <functional>
#include <string>

#include "process_service.hpp"
#include "qarax/core/plugin_host/host_services.hpp"

namespace qarax::agent {

class PluginServices final : public core::HostServices {
 public:
  // `notified(plugin, vm)`: must only enqueue; an empty vm means "describe me again".
  using Notified = std::function<void(const std::string& plugin, const std::string& vm)>;
  PluginServices(ProcessService& processes, Notified notified)
      : processes_(processes), notified_(std::move(notified)) {}

  void log(std::string_view plugin, plugin::LogLevel level, std::string_view message) override;
  void notify(std::string_view plugin, std::string_view vm) override {
    notified_(std::string(plugin), std::string(vm));
  }
  Result<Process> spawn(const core::CallView& call, const SpawnArgs& args) override;
  Result<Process> find(const core::CallView& call, const ProcessArgs& args) override;
  Status signal(const core::CallView& call, const SignalArgs& args) override;
  Status kill(const core::CallView& call, const ProcessArgs& args) override;
  Result<Process> wait(const core::CallView& call, const ProcessArgs& args) override;
  Status claim(const core::CallView& call, const ClaimArgs& args) override;
  Status release(const core::CallView& call, const ClaimArgs& args) override;
  Result<RunResult> run(const core::CallView& call, const RunArgs& args) override;

 private:
  ProcessService& processes_;
  Notified notified_;
};

}  // namespace qarax::agent
