// What fake_vmm makes of a VM's config: nothing is looked at before the boot, but that it has what has no
// default and that its numbers fit their types.
#pragma once

#include <sched.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "fake_kernel.hpp"
#include "fake_reply.hpp"

namespace fake {

inline const Value* member(const Value& config, const char* section, const char* name) {
  const Value* at = config.find(section);
  return at != nullptr ? at->find(name) : nullptr;
}

inline bool is_readable(const Value& config, bool is_old) {
  // Members that have no default.
  for (const auto& [section, name] : {std::pair{"console", "mode"}, std::pair{"balloon", "size"}})
    if (config.find(section) != nullptr && member(config, section, name) == nullptr) return false;
  if (const Value* bits = member(config, "cpus", "max_phys_bits"); bits != nullptr)
    if (*bits->as_int() < 0 || *bits->as_int() > 255) return false;
  const Value* affinity = member(config, "cpus", "affinity");
  if (affinity == nullptr) return true;
  for (const Value& one : *affinity->as_array()) {
    const std::int64_t vcpu = *one.find("vcpu")->as_int();
    if (vcpu < 0 || (is_old && vcpu > 255)) return false;
    for (const Value& cpu : *one.find("host_cpus")->as_array())
      if (*cpu.as_int() < 0) return false;
  }
  return true;
}

// Causes, outermost first; empty: nothing is in the way.
inline std::vector<std::string> why_not_bootable(const Value& config) {
  const std::string outer = "The VM could not boot";
  const Value* kernel = member(config, "payload", "kernel");
  if (kernel == nullptr) return {outer, "Failed to validate config", "Payload configuration is not bootable"};
  const std::int64_t memory = *member(config, "memory", "size")->as_int();
  if (const Value* balloon = member(config, "balloon", "size"); balloon != nullptr && *balloon->as_int() >= memory)
    return {
        outer, "Failed to validate config",
        "Balloon size (" + std::to_string(*balloon->as_int()) + ") greater than RAM (" + std::to_string(memory) + ")"};
  const Value* hotplug = member(config, "memory", "hotplug_size");
  if (hotplug != nullptr && *hotplug->as_int() == 0)
    return {outer, "Memory manager error", "Invalid size for resizing. Can be anything except 0"};
  const Value* huge = member(config, "memory", "hugepages");
  const Value* named = member(config, "memory", "hugepage_size");
  std::int64_t page = 4096;
  if (huge != nullptr && *huge->as_bool()) page = named != nullptr ? *named->as_int() : 2 << 20;
  if (memory % page != 0)
    return {outer, "Memory manager error", "Memory size is misaligned with default page size or its hugepage size"};
  std::vector<std::string> causes = KernelFile(*kernel->as_string()).refusal().causes;
  if (!causes.empty()) causes.insert(causes.begin(), outer);
  return causes;
}

// A vCPU's thread that can't be kept on its CPUs ends, and its boot waits for it. What a cpu_set_t has no room for is a
// panic.
inline bool can_be_scheduled(const Value& config) {
  const Value* affinity = member(config, "cpus", "affinity");
  if (affinity == nullptr) return true;
  cpu_set_t before;
  ::sched_getaffinity(0, sizeof before, &before);
  for (const Value& one : *affinity->as_array()) {
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    for (const Value& cpu : *one.find("host_cpus")->as_array()) {
      if (*cpu.as_int() >= CPU_SETSIZE) {
        std::fputs("thread 'vmm' panicked: index out of bounds\n", stderr);
        std::_Exit(1);
      }
      CPU_SET(static_cast<std::size_t>(*cpu.as_int()), &wanted);
    }
    if (::sched_setaffinity(0, sizeof wanted, &wanted) != 0) return false;
  }
  ::sched_setaffinity(0, sizeof before, &before);
  return true;
}

}  // namespace fake
