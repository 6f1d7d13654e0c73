// The handshake with one file, in a thread of its own: one that hangs in the plugin's code is left behind, and the node
// starts without the plugin.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host_tables.hpp"
#include "qarax/core/plugin_host/plugin_host.hpp"
#include "qarax/plugin/call.hpp"
#include "table_hypervisor.hpp"

namespace qarax::core {

// A plugin file and what became of it.
struct Plugin {
  PluginRecord record;
  HostTables* host = nullptr;  // never destroyed
  std::unique_ptr<TableHypervisor> hypervisor;
};

// Of a call of the host's own that has this long.
inline CallContext context_for(std::int64_t timeout_ms) {
  CallContext context;
  context.deadline_ns = plugin::monotonic_ns() + timeout_ms * 1'000'000;
  return context;
}

class Loading {
 public:
  // Runs the handshake to its end, or until a step is past its limit and the grace; main thread. `loaded`: the plugins
  // whose id and name are taken. The record of what it returns says which of both came about.
  static std::unique_ptr<Plugin> run(HostServices& services, const PluginHostOptions& options,
                                     const PluginFileConfig& config, std::vector<PluginRecord> loaded);

 private:
  Loading(HostServices& services, const PluginHostOptions& options, PluginFileConfig config,
          std::vector<PluginRecord> loaded);

  // In the thread.
  void work();
  Status at(LoadStep step);
  Status handshake();
  Status finish_instance(const qarax_plugin_table& table, void* instance);
  Status check_clash() const;
  Result<void*> create(const qarax_plugin_table& table, const RawJson& config);
  // In the caller's.
  bool wait();
  std::chrono::milliseconds limit_of(LoadStep step) const;

  HostServices& services_;
  const PluginHostOptions options_;
  const PluginFileConfig config_;
  const std::vector<PluginRecord> loaded_;
  std::unique_ptr<Plugin> plugin_;  // the thread's until it is done

  std::mutex mutex_;
  std::condition_variable changed_;
  PluginRecord seen_;  // the record as it was when the step began
  HostTables* host_ = nullptr;
  std::chrono::steady_clock::time_point since_;
  bool bounded_ = true;  // false: it waits within limits of its own
  bool given_up_ = false;
  bool done_ = false;
};

}  // namespace qarax::core
