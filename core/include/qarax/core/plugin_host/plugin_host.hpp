// Loads plugin files, keeps a record of each, and gives out typed clients. A file that was opened stays loaded until
// the process ends, refused or not: its threads may still run and its destructors are still to come
// (core/decisions/0001).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/plugin_host/host_services.hpp"
#include "qarax/core/plugin_host/loaded_hypervisor.hpp"
#include "qarax/core/plugin_host/plugin_record.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

struct PluginHostOptions {
  std::int64_t open_timeout_ms = 30'000;      // limit of each step that has no deadline: checking the file, loading it
  std::int64_t create_timeout_ms = 30'000;    // deadline of the call of create
  std::int64_t describe_timeout_ms = 10'000;  // deadline of the call of describe, and limit of query
  std::int64_t grace_ms = 5'000;  // added to these limits; a file that hangs longer is refused and left behind
};

class PluginHost {
 public:
  // `services` outlives this and every thread of a plugin: it may be called until the process ends.
  explicit PluginHost(HostServices& services, PluginHostOptions options = {});
  ~PluginHost();  // calls shutdown(5000) unless that was done
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  // Loads one file and blocks until it is loaded or refused; one at a time, and not while others are being loaded.
  // Never fails: for a refused file the record has the reason. The plugin's code runs on a thread of its own, which is
  // left behind if a step hangs. Logs the outcome.
  PluginRecord load(const PluginFileConfig& config);
  // Loads several files in the background, in their order. Those behind a slow file overtake it, unless it holds the
  // system's loader. `told` is called for each file that is loaded or refused, on any thread, and must only enqueue.
  // From here on the process must not change the settings that ProcessGuard watches.
  using LoadListener = std::function<void(const PluginRecord& record)>;
  void begin_loading(const std::vector<PluginFileConfig>& files, LoadListener told);
  // Blocks until all files are loaded or refused, or a required one is refused. After the timeout it waits only for the
  // required ones.
  void await_loading(std::int64_t timeout_ms);
  // Adds a record for what was refused before there was a file to load. Logged and kept like the others.
  PluginRecord add_refused(PluginRecord refused);

  // Any thread.
  std::vector<PluginRecord> records() const;
  // By short name; null if no loaded plugin has it. Valid as long as this object.
  LoadedHypervisor* hypervisor(std::string_view name) const;
  // True if a file that is still being loaded has that name, or hasn't told its name yet.
  bool may_be_loading(std::string_view name) const;
  // One sentence for "no such hypervisor": the loaded ones, and why a refused file of that name was refused.
  std::string explain_missing(std::string_view name) const;
  // Calls describe and puts the answer into the record; an error leaves the record as it was.
  Status refresh_description(std::string_view name);

  // Gives up files that are still being loaded, refuses new calls, waits for those in flight, destroys every instance.
  // DEADLINE_EXCEEDED names the plugins that didn't end in time: their threads still run, so the process must end with
  // _exit, as it should in any case.
  Status shutdown(std::int64_t timeout_ms);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace qarax::core
