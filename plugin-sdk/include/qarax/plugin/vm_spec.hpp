// What a user asks of a VM: the same document in the REST body, in the store, in the gRPC request and at the plugin.
// Bytes for memory, counts for vCPUs. Adding a member: give it a default that means "as before" and a row with `since`.
#pragma once

#include <cstdint>
#include <optional>

#include "qarax/plugin/fields.hpp"

namespace qarax {

struct CpuTopology {
  std::int32_t threads_per_core = 1;
  std::int32_t cores_per_die = 1;
  std::int32_t dies_per_package = 1;
  std::int32_t packages = 1;
};

template <>
struct Fields<CpuTopology> {
  static constexpr std::string_view kName = "CpuTopology";
  static constexpr auto kTable =
      field_table(field<&CpuTopology::threads_per_core>("threads_per_core").min(1).max(8).doc("Threads of one core."),
                  field<&CpuTopology::cores_per_die>("cores_per_die").min(1).max(1024).doc("Cores of one die."),
                  field<&CpuTopology::dies_per_package>("dies_per_package").min(1).max(64).doc("Dies of one package."),
                  field<&CpuTopology::packages>("packages").min(1).max(64).doc("Packages (sockets)."));
};
QARAX_FIELDS_COMPLETE(CpuTopology);

struct VmSpec {
  std::int32_t boot_vcpus = 1;
  std::int32_t max_vcpus = 1;
  std::optional<CpuTopology> cpu_topology{};
  bool kvm_hyperv = false;
  std::int64_t memory_size = 512LL * 1024 * 1024;
  std::optional<std::int64_t> memory_hotplug_size{};
  bool memory_mergeable = false;
  bool memory_shared = false;
  bool memory_hugepages = false;
  std::optional<std::int64_t> memory_hugepage_size{};
  bool memory_prefault = false;
  bool memory_thp = false;
  RawJson config{};
};

template <>
struct Fields<VmSpec> {
  static constexpr std::string_view kName = "VmSpec";
  static constexpr auto kTable =
      field_table(field<&VmSpec::boot_vcpus>("boot_vcpus").min(1).max(1024).doc("vCPUs at boot."),
                  field<&VmSpec::max_vcpus>("max_vcpus")
                      .min(1)
                      .max(1024)
                      .doc("vCPUs that can be plugged, at least boot_vcpus; boot_vcpus when absent."),
                  field<&VmSpec::cpu_topology>("cpu_topology")
                      .nullable()
                      .doc("Topology of max_vcpus; the hypervisor's default when null."),
                  field<&VmSpec::kvm_hyperv>("kvm_hyperv").doc("Hyper-V enlightenments."),
                  field<&VmSpec::memory_size>("memory_size").min(1048576).doc("Bytes of memory at boot."),
                  field<&VmSpec::memory_hotplug_size>("memory_hotplug_size")
                      .nullable()
                      .min(0)
                      .doc("Bytes that can be added while the VM runs."),
                  field<&VmSpec::memory_mergeable>("memory_mergeable").doc("Offer the memory to KSM."),
                  field<&VmSpec::memory_shared>("memory_shared").doc("Shared mapping, as vhost-user needs it."),
                  field<&VmSpec::memory_hugepages>("memory_hugepages").doc("Back the memory with huge pages."),
                  field<&VmSpec::memory_hugepage_size>("memory_hugepage_size")
                      .nullable()
                      .min(4096)
                      .doc("Bytes of a huge page; the host's default when null."),
                  field<&VmSpec::memory_prefault>("memory_prefault").doc("Touch all memory before the guest starts."),
                  field<&VmSpec::memory_thp>("memory_thp").doc("Ask for transparent huge pages."),
                  field<&VmSpec::config>("config").doc(
                      "Options of the hypervisor plugin, as its options_schema says; null when there are none."));
};
QARAX_FIELDS_COMPLETE(VmSpec);

}  // namespace qarax
