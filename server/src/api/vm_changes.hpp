// Request bodies and documents for a VM's size, snapshots and counters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/vm_status.hpp"

namespace qarax::api {

struct VmResize {
  std::optional<std::int32_t> desired_vcpus{};
  std::optional<std::int64_t> desired_ram{};
};

struct NewSnapshot {
  std::optional<std::string> name{};
};

struct Restore {
  std::string snapshot_id{};
};

enum class SnapshotStatus { creating, ready, failed };

struct Snapshot {
  std::string id{};
  std::string vm_id{};
  std::string name{};
  SnapshotStatus status = SnapshotStatus::creating;
  std::string created_at{};
  std::string hypervisor{};
  std::int32_t vcpus = 0;
  std::int64_t memory_size = 0;
  std::int64_t size = 0;
};

struct VmMetrics {
  std::string vm_id{};
  std::vector<Counter> counters{};
};

// Errors as decode_new_vm.
Result<VmResize> decode_resize(std::string_view body);
Result<NewSnapshot> decode_new_snapshot(std::string_view body);  // an empty body means all defaults
Result<Restore> decode_restore(std::string_view body);

}  // namespace qarax::api

template <>
struct qarax::EnumNames<qarax::api::SnapshotStatus> {
  static constexpr std::string_view kNames[] = {"creating", "ready", "failed"};
  static constexpr api::SnapshotStatus kUnknown = api::SnapshotStatus::failed;
};

template <>
struct qarax::Fields<qarax::api::VmResize> {
  using T = api::VmResize;
  static constexpr std::string_view kName = "VmResize";
  static constexpr auto kTable = field_table(
      field<&T::desired_vcpus>("desired_vcpus")
          .nullable()
          .min(1)
          .max(1024)
          .doc("vCPUs from now on, at most max_vcpus; as they are when absent."),
      field<&T::desired_ram>("desired_ram")
          .nullable()
          .min(1048576)
          .doc("Bytes of memory from now on; of a running VM at most memory_hotplug_size above what it booted with; as "
               "it is when absent."));
};
QARAX_FIELDS_COMPLETE(qarax::api::VmResize);

template <>
struct qarax::Fields<qarax::api::NewSnapshot> {
  using T = api::NewSnapshot;
  static constexpr std::string_view kName = "NewSnapshot";
  static constexpr auto kTable = field_table(field<&T::name>("name").nullable().min(1).max(253).doc(
      "Unique among the VM's snapshots; snapshot-1, snapshot-2, … when absent. Characters as in a VM's name."));
};
QARAX_FIELDS_COMPLETE(qarax::api::NewSnapshot);

template <>
struct qarax::Fields<qarax::api::Restore> {
  using T = api::Restore;
  static constexpr std::string_view kName = "Restore";
  static constexpr auto kTable = field_table(
      field<&T::snapshot_id>("snapshot_id").required().format("uuid").doc("A snapshot of this VM that is ready."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Restore);

template <>
struct qarax::Fields<qarax::api::Snapshot> {
  using T = api::Snapshot;
  static constexpr std::string_view kName = "Snapshot";
  static constexpr auto kTable = field_table(
      field<&T::id>("id").required().format("uuid").doc("What the snapshot is known by."),
      field<&T::vm_id>("vm_id").required().format("uuid").doc("The VM that it was taken of."),
      field<&T::name>("name").required().doc("For people; unique among the VM's."),
      field<&T::status>("status").required().doc(
          "creating, ready, or failed: another action took its place, and what its host may hold of it goes with a "
          "DELETE."),
      field<&T::created_at>("created_at").required().format("date-time").doc("When it was asked for."),
      field<&T::hypervisor>("hypervisor").doc("The plugin that took it, and alone can restore it."),
      field<&T::vcpus>("vcpus").doc("vCPUs that a restore brings back."),
      field<&T::memory_size>("memory_size").doc("Bytes of memory that a restore brings back."),
      field<&T::size>("size").doc("Bytes that it takes on the VM's host."));
};
QARAX_FIELDS_COMPLETE(qarax::api::Snapshot);

template <>
struct qarax::Fields<qarax::api::VmMetrics> {
  using T = api::VmMetrics;
  static constexpr std::string_view kName = "VmMetrics";
  static constexpr auto kTable =
      field_table(field<&T::vm_id>("vm_id").required().format("uuid").doc("The VM."),
                  field<&T::counters>("counters").doc("What its VMM has counted since it started."));
};
QARAX_FIELDS_COMPLETE(qarax::api::VmMetrics);
