// Loads plugin files, keeps what became of each, and gives out the typed clients. A file once opened stays open until
// the process ends, refused or not: its threads and destructors may live on (core/decisions/0001).
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
  std::int64_t open_timeout_ms = 30'000;      // for each step that no deadline is told of: looking at it, loading it
  std::int64_t create_timeout_ms = 30'000;    // the deadline that create's call carries
  std::int64_t describe_timeout_ms = 10'000;  // likewise describe's
  std::int64_t grace_ms = 5'000;              // past these: then a file that hangs is refused and left behind
};

class PluginHost {
 public:
  // `services` outlives this and every thread of a plugin: it is called until the process ends.
  explicit PluginHost(HostServices& services, PluginHostOptions options = {});
  ~PluginHost();  // shutdown(5000) where nobody called it
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  // One file, to its end; one at a time, and not while others are being loaded. Never fails as such: a refused file is
  // a record with the reason. What a plugin does in it is done on a thread of its own, which is left behind where a
  // step hangs. Logs what came of it.
  PluginRecord load(const PluginFileConfig& config);
  // The same with several, in the background and in their order; one that is slow is overtaken by those behind it,
  // unless it has the system's loader to itself. `told` hears of each that is loaded or refused, on any thread, and
  // only enqueues. What the process has of its own (ProcessGuard) it must not change from here on.
  using LoadListener = std::function<void(const PluginRecord& record)>;
  void begin_loading(const std::vector<PluginFileConfig>& files, LoadListener told);
  // Until all are loaded or refused, or a required one is refused; after the timeout only required ones are waited for.
  void await_loading(std::int64_t timeout_ms);
  // For what was refused before there was a file to load. Logged and kept like the others.
  PluginRecord add_refused(PluginRecord refused);

  // Any thread.
  std::vector<PluginRecord> records() const;
  // By short name; null when no loaded plugin has it. Valid as long as this.
  LoadedHypervisor* hypervisor(std::string_view name) const;
  // A file that is still being loaded is of that name, or hasn't said yet of which it is.
  bool may_be_loading(std::string_view name) const;
  // One sentence for "no such hypervisor": the loaded ones, and why a refused file of that name was refused.
  std::string explain_missing(std::string_view name) const;
  // Calls describe and puts the answer into the record; an error leaves the record as it was.
  Status refresh_description(std::string_view name);

  // Leaves behind what is still being loaded, refuses new calls, waits for those in flight, destroys every instance.
  // DEADLINE_EXCEEDED naming the plugins that didn't end in time: their threads still run, so the process must end with
  // _exit, as it should in any case.
  Status shutdown(std::int64_t timeout_ms);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace qarax::core
