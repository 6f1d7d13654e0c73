// Cloud Hypervisor's API, one method a call. Paths and answers as of v44.0 and v53.0.
#pragma once

#include <map>
#include <string>

#include "unix_http_client.hpp"

namespace qarax::cloud_hypervisor {

constexpr const char* kApiSocket = "api.sock";

class ApiClient {
 public:
  // `most_ms`: a limit for each call, below the plugin call's deadline.
  ApiClient(const std::string& run_dir, int most_ms)
      : http_(run_dir, kApiSocket, "Cloud Hypervisor"), most_ms_(most_ms) {}

  // Errors as UnixHttpClient's; FAILED_PRECONDITION "vmm-refused" with the VMM's own words for what it refuses.
  Result<std::string> ping(const plugin::Call& call) const;  // its version
  // Created, Running, Paused, Shutdown; NOT_FOUND: no VM was created yet.
  Result<std::string> state(const plugin::Call& call) const;
  Status create(const plugin::Call& call, const std::string& vm_config) const {
    return put(call, "vm.create", vm_config);
  }
  Status boot(const plugin::Call& call) const { return put(call, "vm.boot"); }
  Status power_button(const plugin::Call& call) const { return put(call, "vm.power-button"); }
  Status pause(const plugin::Call& call) const { return put(call, "vm.pause"); }
  Status resume(const plugin::Call& call) const { return put(call, "vm.resume"); }
  Status reboot(const plugin::Call& call) const { return put(call, "vm.reboot"); }
  Status resize(const plugin::Call& call, std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) const;
  // device.counter → value
  Result<std::map<std::string, std::int64_t>> counters(const plugin::Call& call) const;

 private:
  Status put(const plugin::Call& call, const std::string& what, const std::string& body = {}) const;
  Result<json::Value> get(const plugin::Call& call, const std::string& what) const;

  const plugin::UnixHttpClient http_;
  const int most_ms_;
};

}  // namespace qarax::cloud_hypervisor
