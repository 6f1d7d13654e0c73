// Shared by plugins with hotplug: finding and comparing devices in the handle, and checking a request.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

// INVALID_ARGUMENT; the problems' pointers get `prefix` in front. `problems` must not be empty.
inline Error invalid(const std::string& what, std::vector<ErrorDetail> problems, const std::string& prefix = {}) {
  for (ErrorDetail& problem : problems) problem.pointer.insert(0, prefix);
  Error error = make_error(Code::invalid_argument,
                           what + ": " + problems.front().pointer + " " + problems.front().detail, "validation");
  error.details = std::move(problems);
  return error;
}

template <class Device>
auto find_device(std::vector<Device>& devices, const std::string& id) {
  return std::find_if(devices.begin(), devices.end(), [&](const Device& device) { return device.id == id; });
}

// Compare devices without their descriptor indices, which differ from call to call.
inline bool same_device(DiskSpec a, const DiskSpec& b) {
  if (a.fd && b.fd) a.fd = b.fd;
  return encode(a) == encode(b);
}
inline bool same_device(NicSpec a, const NicSpec& b) {
  if (a.fds.size() == b.fds.size()) a.fds = b.fds;
  return encode(a) == encode(b);
}

template <class Device>
void add_ids(json::Object& to, const char* name, const std::vector<Device>& devices) {
  json::Array ids;
  for (const Device& device : devices) ids.emplace_back(device.id);
  if (!ids.empty()) to.emplace_back(name, json::Value(std::move(ids)));
}

// The name of the first member in which the two differ; empty: none.
inline std::string first_difference(const VmSpec& a, const VmSpec& b) {
  std::string out;
  ::qarax::detail::for_each_field<VmSpec>([&](const auto& field) {
    if (out.empty() && !::qarax::detail::same(a.*(field.kMember), b.*(field.kMember))) out = field.name;
  });
  return out;
}

// A snapshot holds a machine that was started with `started` and has since been resized to `vcpus` and `memory`
// (bytes). Returns the first member in which `asked` differs from that machine; empty: none. `asked` may have the
// resized values as its sizes at boot.
inline std::string frozen_difference(const VmSpec& started, std::int32_t vcpus, std::int64_t memory, VmSpec asked) {
  if (asked.boot_vcpus == vcpus) asked.boot_vcpus = started.boot_vcpus;
  if (asked.memory_size == memory) asked.memory_size = started.memory_size;
  return first_difference(started, asked);
}

// What is wrong with a resize of a VM that was started with `spec`; empty: nothing.
inline std::vector<ErrorDetail> resize_problems(const VmSpec& spec, const ResizeArgs& args) {
  std::vector<ErrorDetail> out;
  if (args.vcpus && (*args.vcpus < 1 || *args.vcpus > spec.max_vcpus))
    out.push_back({"/vcpus", "must be 1 to max_vcpus, which is " + std::to_string(spec.max_vcpus)});
  const std::int64_t most = spec.memory_size + spec.memory_hotplug_size.value_or(0);
  if (args.memory && (*args.memory < spec.memory_size || *args.memory > most))
    out.push_back({"/memory", "must be memory_size, " + std::to_string(spec.memory_size) +
                                  " bytes, to memory_size and memory_hotplug_size together, " + std::to_string(most)});
  return out;
}

}  // namespace qarax::plugin
