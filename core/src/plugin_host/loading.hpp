// The handshake with one file, in a thread of its own: one that hangs in the plugin's code is left behind, and the node
// starts without the plugin.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "host_tables.hpp"
#include "qarax/core/plugin_host/plugin_host.hpp"
#include "qarax/core/plugin_host/process_guard.hpp"
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
  using Clock = std::chrono::steady_clock;
  // Takes the plugin's id and name for it, or says who has them. On the loading's thread, without its lock.
  using Claim = std::function<Status(const PluginRecord&)>;

  // Begins the handshake, in a thread of its own. `guard`: the process as it is without the plugin; files that are
  // loaded at the same time share one.
  static std::shared_ptr<Loading> begin(HostServices& services, const PluginHostOptions& options,
                                        const PluginFileConfig& config, std::shared_ptr<ProcessGuard> guard,
                                        Claim claim);

  // Any thread. True: there is an outcome to take, since the handshake has ended, or a step is past its limit and the
  // grace, or the node ends.
  bool wait(Clock::time_point until);
  // Until the file doesn't have the system's loader to itself any more, or there is an outcome.
  void wait_opened();
  // Only enqueues: wait returns.
  void give_up();
  // Once, when wait has said true. The record says what came about.
  static std::unique_ptr<Plugin> take(const std::shared_ptr<Loading>& loading);
  // The record as it was when the step began, as `loading`.
  PluginRecord seen() const;
  // It goes on while others are loaded: what it has changed of the process by now is put back.
  void put_back();

 private:
  Loading(HostServices& services, const PluginHostOptions& options, PluginFileConfig config,
          std::shared_ptr<ProcessGuard> guard, Claim claim);

  // In the thread.
  void work();
  Status at(LoadStep step);
  Status handshake();
  Status finish_instance(const qarax_plugin_table& table, void* instance);
  Result<void*> create(const qarax_plugin_table& table, const RawJson& config);
  // In the caller's, which holds mutex_.
  bool decided();
  std::chrono::milliseconds limit_of(LoadStep step) const;
  std::string why_given_up() const;

  HostServices& services_;
  const PluginHostOptions options_;
  const PluginFileConfig config_;
  const std::shared_ptr<ProcessGuard> guard_;
  const Claim claim_;
  std::unique_ptr<Plugin> plugin_;  // the thread's until it is done
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PluginRecord seen_;                  // the record as it was when the step began
  std::vector<std::string> put_back_;  // while it ran
  HostTables* host_ = nullptr;
  std::chrono::steady_clock::time_point since_;
  bool bounded_ = true;  // false: it waits within limits of its own
  bool given_up_ = false;
  bool node_ends_ = false;
  bool done_ = false;
};

}  // namespace qarax::core
