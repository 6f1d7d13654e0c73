// The host's side of qarax_host for one plugin instance: C tables → HostServices. Catches exceptions, checks what the
// plugin passes in, and is never destroyed: a thread that the plugin failed to join may call until the process ends.
#pragma once

#include <chrono>
#include <string>

#include "call_gate.hpp"
#include "qarax/core/plugin_host/host_services.hpp"
#include "qarax/plugin/abi.h"

namespace qarax::core {

class HostTables {
 public:
  // Never destroyed. `plugin`: short name, for services and logs.
  static HostTables& make(HostServices& services, std::string plugin);
  HostTables(const HostTables&) = delete;
  HostTables& operator=(const HostTables&) = delete;

  const qarax_host* raw() const { return &raw_; }
  // Call it after destroy: from then on services aren't called. False: a call was still in flight at `until`.
  bool close(std::chrono::steady_clock::time_point until) { return gate_.close(until); }

 private:
  HostTables(HostServices& services, std::string plugin);

  static const void* query(void* self, qarax_text interface_id) noexcept;
  static void log(void* self, std::intptr_t level, qarax_text message) noexcept;
  static void notify(void* self, qarax_text object) noexcept;
  template <class Args, class R, Result<R> (HostServices::*Method)(const CallView&, const Args&)>
  static std::int32_t slot(void* self, const qarax_call* call, qarax_text args) noexcept;
  static const qarax_host_process_1 kProcess;

  HostServices& services_;
  const std::string plugin_;
  qarax_host raw_{};
  CallGate gate_;
};

}  // namespace qarax::core
