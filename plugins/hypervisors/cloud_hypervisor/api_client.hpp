// Cloud Hypervisor's API, one method a call. Paths and answers as of v44.0 and v53.0.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "unix_http_client.hpp"

namespace qarax::cloud_hypervisor {

constexpr const char* kApiSocket = "api.sock";
constexpr int kNoLimitMs = std::numeric_limits<int>::max();  // of its own: the plugin call's deadline is what counts

// What vm.info says.
struct Info {
  std::string state{};                   // Created (or shut down through the API), Running, Paused
  std::optional<std::int64_t> vcpus{};   // as last asked for
  std::optional<std::int64_t> memory{};  // bytes, as last asked for
  std::vector<std::string> devices{};    // ids of what is plugged in
};

class ApiClient {
 public:
  // `most_ms`: a limit for each call, below the plugin call's deadline.
  ApiClient(const std::string& run_dir, int most_ms)
      : http_(run_dir, kApiSocket, "Cloud Hypervisor"), most_ms_(most_ms) {}

  // Errors as UnixHttpClient's; FAILED_PRECONDITION "vmm-refused" with the VMM's own words for what it refuses, and
  // UNAVAILABLE, retryable, where it is only too early: the guest still holds vCPUs that were taken from it.
  Result<std::string> ping(const plugin::Call& call) const;  // its version
  // NOT_FOUND: no VM was created yet, or it was deleted.
  Result<Info> info(const plugin::Call& call) const;
  Result<std::string> state(const plugin::Call& call) const;  // of it
  Status create(const plugin::Call& call, const std::string& vm_config) const {
    return put(call, "vm.create", vm_config);
  }
  Status boot(const plugin::Call& call) const { return put(call, "vm.boot"); }
  // Both over one connection. Nothing is booted that couldn't be created: the VMM keeps a config that it has refused to
  // confine, and would boot that.
  Status create_and_boot(const plugin::Call& call, const std::string& vm_config) const;
  Status power_button(const plugin::Call& call) const { return put(call, "vm.power-button"); }
  Status pause(const plugin::Call& call) const { return put(call, "vm.pause"); }
  Status resume(const plugin::Call& call) const { return put(call, "vm.resume"); }
  Status reboot(const plugin::Call& call) const { return put(call, "vm.reboot"); }
  Status resize(const plugin::Call& call, std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) const;
  // What add_disk and add_net take is one object of vm.create's lists; `fds` are a NIC's queues.
  Status add_disk(const plugin::Call& call, const std::string& disk) const { return put(call, "vm.add-disk", disk); }
  Status add_net(const plugin::Call& call, const std::string& net, const std::vector<int>& fds) const {
    return put(call, "vm.add-net", net, fds);
  }
  // Asks the guest; the device is out when info() no longer has it.
  Status remove_device(const plugin::Call& call, const std::string& id) const;
  Status resize_disk(const plugin::Call& call, const std::string& id, std::int64_t size) const;
  // To and from a folder's path. A snapshot needs a paused VM; a restore makes one, in a VMM that has none, whose
  // config's own prefault counts for nothing.
  Status snapshot(const plugin::Call& call, const std::string& folder) const;
  Status restore(const plugin::Call& call, const std::string& folder, bool prefault) const;
  // device.counter → value
  Result<std::map<std::string, std::int64_t>> counters(const plugin::Call& call) const;

 private:
  Status put(const plugin::Call& call, const std::string& what, const std::string& body = {},
             const std::vector<int>& fds = {}) const;
  Result<json::Value> get(const plugin::Call& call, const std::string& what) const;

  const plugin::UnixHttpClient http_;
  const int most_ms_;
};

}  // namespace qarax::cloud_hypervisor
