// The handshake with one file, in a thread of its own. If that hangs in the plugin's code it is left behind, and the
// node starts without the plugin.
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

// The context of a call that the host makes on its own account, with that timeout.
inline CallContext context_for(std::int64_t timeout_ms) {
  CallContext context;
  context.deadline_ns = plugin::monotonic_ns() + timeout_ms * 1'000'000;
  return context;
}

class Loading {
 public:
  using Clock = std::chrono::steady_clock;
  // Reserves the plugin's id and name, or returns an error that names the plugin that has them. Called on the loading's
  // thread, without its lock.
  using Claim = std::function<Status(const PluginRecord&)>;

  // Begins the handshake in a thread of its own. `guard`: the state of the process without the plugin; files that are
  // loaded at the same time share one.
  static std::shared_ptr<Loading> begin(HostServices& services, const PluginHostOptions& options,
                                        const PluginFileConfig& config, std::shared_ptr<ProcessGuard> guard,
                                        Claim claim);

  // Any thread. True: there is an outcome to take, because the handshake has ended, a step has exceeded its limit and
  // the grace, or the node ends. False: not by `until`.
  bool wait(Clock::time_point until);
  // Blocks until the file no longer holds the system's loader, or there is an outcome.
  void wait_opened();
  // For the end of the node: makes wait() return true. Doesn't block.
  void give_up();
  // The plugin and its record. Call it once, after wait() has returned true.
  static std::unique_ptr<Plugin> take(const std::shared_ptr<Loading>& loading);
  // The record as it was when the current step began, in state `loading`.
  PluginRecord seen() const;
  // Restores what the file has changed in the process so far; called when other files are loaded while it goes on.
  void put_back();

 private:
  Loading(HostServices& services, const PluginHostOptions& options, PluginFileConfig config,
          std::shared_ptr<ProcessGuard> guard, Claim claim);

  // On the loading's thread.
  void work();
  Status at(LoadStep step);
  Status handshake();
  Status finish_instance(const qarax_plugin_table& table, void* instance);
  Result<void*> create(const qarax_plugin_table& table, const RawJson& config);
  // On the caller's thread, which holds mutex_.
  bool decided();
  std::chrono::milliseconds limit_of(LoadStep step) const;
  std::string why_given_up() const;

  HostServices& services_;
  const PluginHostOptions options_;
  const PluginFileConfig config_;
  const std::shared_ptr<ProcessGuard> guard_;
  const Claim claim_;
  std::unique_ptr<Plugin> plugin_;  // used only by the loading's thread until done_
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PluginRecord seen_;                  // the record as it was when the step began
  std::vector<std::string> put_back_;  // changes that put_back() has restored
  HostTables* host_ = nullptr;
  std::chrono::steady_clock::time_point since_;
  bool bounded_ = true;  // false: limit_of() doesn't apply, the thread is in a wait with limits of its own
  bool given_up_ = false;
  bool node_ends_ = false;
  bool done_ = false;
};

}  // namespace qarax::core
