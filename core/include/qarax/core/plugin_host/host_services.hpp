// What the agent implements for its plugins: the host services of abi.h, typed. plugin_host does the translation from
// the C tables and catches what is thrown.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/hypervisor.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// One call of a plugin into the host; valid until the service returns.
struct CallView {
  std::string_view plugin;       // short name of the plugin that calls
  std::int64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: none
  int cancel_fd = -1;            // readable when the call is to end early; never read from; -1: can't be cancelled
  std::string_view request_id;   // for logs
  std::vector<int> fds;          // borrowed; already checked to be open descriptors
};

// Called on any thread, several at once, from a plugin's create to the end of its destroy. An exception becomes
// INTERNAL at the border. The args are decoded and within their bounds; names and paths in them come unchecked from the
// plugin.
class HostServices {
 public:
  virtual ~HostServices() = default;

  // These two must only enqueue and take none of the host's locks. `message` is one line of valid UTF-8 without control
  // characters.
  virtual void log(std::string_view plugin, plugin::LogLevel level, std::string_view message) = 0;
  // Asks the host to inspect that VM; empty: to describe the plugin again (PluginHost::refresh_description, on another
  // thread).
  virtual void notify(std::string_view plugin, std::string_view vm) = 0;

  // qarax.host.process/1; the contract of each is in abi.h.
  virtual Result<Process> spawn(const CallView& call, const SpawnArgs& args) = 0;
  virtual Result<Process> find(const CallView& call, const ProcessArgs& args) = 0;
  virtual Status signal(const CallView& call, const SignalArgs& args) = 0;
  virtual Status kill(const CallView& call, const ProcessArgs& args) = 0;
  virtual Result<Process> wait(const CallView& call, const ProcessArgs& args) = 0;  // DEADLINE_EXCEEDED: still runs
  virtual Status claim(const CallView& call, const ClaimArgs& args) = 0;
  virtual Status release(const CallView& call, const ClaimArgs& args) = 0;
  virtual Result<RunResult> run(const CallView& call, const RunArgs& args) = 0;
};

}  // namespace qarax::core
