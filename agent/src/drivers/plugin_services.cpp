#include "plugin_services.hpp"

#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "run_program.hpp"

namespace qarax::agent {

namespace {

CallLimits limits_of(const core::CallView& call) { return {call.deadline_ns, call.cancel_fd}; }

// The id becomes a folder's name, so it is checked and not taken from a plugin as it is.
Status check_vm(const core::CallView& call, const std::string& vm) {
  if (core::is_uuid(vm)) return Ok{};
  return make_error(Code::invalid_argument, "plugin " + std::string(call.plugin) +
                                                " named a VM that is no UUID: " + json::repair_utf8(vm.substr(0, 64)));
}

}  // namespace

void PluginServices::log(std::string_view plugin, plugin::LogLevel level, std::string_view message) {
  constexpr core::LogLevel kLevels[] = {core::LogLevel::debug, core::LogLevel::info, core::LogLevel::warn,
                                        core::LogLevel::error};
  core::logger("plugin")->log(kLevels[static_cast<std::size_t>(level)], "{} plugin={}", message, plugin);
}

Result<Process> PluginServices::spawn(const core::CallView& call, const SpawnArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.spawn(args, call.fds, limits_of(call));
}

Result<Process> PluginServices::find(const core::CallView& call, const ProcessArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.find(args, limits_of(call));
}

Status PluginServices::signal(const core::CallView& call, const SignalArgs& args) {
  QARAX_CHECK(check_vm(call, args.process.vm));
  return processes_.signal(args);
}

Status PluginServices::kill(const core::CallView& call, const ProcessArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.kill(args, limits_of(call));
}

Result<Process> PluginServices::wait(const core::CallView& call, const ProcessArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.wait(args, limits_of(call));
}

Status PluginServices::claim(const core::CallView& call, const ClaimArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.claim(args);
}

Status PluginServices::release(const core::CallView& call, const ClaimArgs& args) {
  QARAX_CHECK(check_vm(call, args.vm));
  return processes_.release(args);
}

Result<RunResult> PluginServices::run(const core::CallView& call, const RunArgs& args) {
  return run_program(args, limits_of(call), [this](const ProcessId& child) { processes_.reap_later(child); });
}

}  // namespace qarax::agent
