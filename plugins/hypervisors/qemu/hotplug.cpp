#include "hotplug.hpp"

#include <algorithm>

namespace qarax::qemu {

namespace {

std::int64_t number(const json::Value& object, std::string_view name) {
  const auto* value = object.find(name);
  return value != nullptr && value->as_int() != nullptr ? *value->as_int() : 0;
}

std::string text(const json::Value& object, std::string_view name) {
  const auto* value = object.find(name);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

// Sort key of a slot: QEMU lists slots from the last to the first and promises no order.
std::vector<std::int64_t> place(const VcpuSlot& slot) {
  const json::Value where(slot.where);
  return {number(where, "socket-id"), number(where, "die-id"), number(where, "cluster-id"), number(where, "core-id"),
          number(where, "thread-id")};
}

Error no_list(const char* command) {
  return make_error(Code::internal, std::string("QEMU answered ") + command + " with no list");
}

}  // namespace

Result<std::vector<VcpuSlot>> vcpu_slots(const plugin::Call& call, QmpClient& qmp) {
  QARAX_TRY(const json::Value said, qmp.execute(call, "query-hotpluggable-cpus"));
  if (said.as_array() == nullptr) return no_list("query-hotpluggable-cpus");
  std::vector<VcpuSlot> out;
  for (const json::Value& one : *said.as_array()) {
    const auto* where = one.find("props");
    if (where == nullptr || where->as_object() == nullptr) continue;
    out.push_back({*where->as_object(), text(one, "type"), text(one, "qom-path")});
  }
  std::sort(out.begin(), out.end(), [](const VcpuSlot& a, const VcpuSlot& b) { return place(a) < place(b); });
  return out;
}

Result<std::vector<Dimm>> plugged_memory(const plugin::Call& call, QmpClient& qmp) {
  QARAX_TRY(const json::Value said, qmp.execute(call, "query-memory-devices"));
  if (said.as_array() == nullptr) return no_list("query-memory-devices");
  std::vector<Dimm> out;
  for (const json::Value& one : *said.as_array())
    if (const auto* data = one.find("data"))
      out.push_back({text(*data, "id"), number(*data, "size"), number(*data, "addr")});
  return out;
}

Result<std::optional<Sizes>> sizes_now(const plugin::Call& call, QmpClient& qmp, const Handle& handle) {
  if (!handle.spec) return std::optional<Sizes>();
  Sizes out = boot_sizes(*handle.spec);
  if (handle.spec->max_vcpus > 1) {
    QARAX_TRY(const json::Value vcpus, qmp.execute(call, "query-cpus-fast"));
    if (vcpus.as_array() == nullptr) return no_list("query-cpus-fast");
    out.vcpus = static_cast<std::int32_t>(vcpus.as_array()->size());
  }
  if (handle.spec->memory_hotplug_size.value_or(0) > 0) {
    QARAX_TRY(const json::Value memory, qmp.execute(call, "query-memory-size-summary"));
    out.memory = number(memory, "base-memory") + number(memory, "plugged-memory");
  }
  return std::optional(out);
}

Status remove(const plugin::Call& call, QmpClient& qmp, std::string_view command, const json::Object& what) {
  auto done = qmp.execute(call, command, what);
  if (done) return Ok{};
  const std::string& words = done.error().message;
  for (const char* gone : {"not found", "Failed to find", "Cannot find", "does not exist", "no such"})
    if (words.find(gone) != std::string::npos) return Ok{};
  return std::move(done).error();
}

Result<bool> is_plugged(const plugin::Call& call, QmpClient& qmp, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  QARAX_TRY(const json::Value said, qmp.execute(call, "qom-list", {{"path", json::Value(path.substr(0, slash))}}));
  if (said.as_array() == nullptr) return no_list("qom-list");
  return std::any_of(said.as_array()->begin(), said.as_array()->end(),
                     [&](const json::Value& one) { return text(one, "name") == path.substr(slash + 1); });
}

Status ask_out(const plugin::Call& call, QmpClient& qmp, const std::string& path) {
  QARAX_TRY(const bool there, is_plugged(call, qmp, path));
  if (!there) return Ok{};
  auto asked = qmp.execute(call, "device_del", {{"id", json::Value(path)}});
  if (asked) return Ok{};
  const auto says = [&](std::string_view words) { return asked.error().message.find(words) != std::string::npos; };
  // First error: the guest was asked before and hasn't answered yet. Second: a vCPU can't be unplugged until the guest
  // has read its ACPI tables (seen with QEMU 7.2 under KVM).
  if (says("in the process of unplug") || says("unplug request for not supported device type")) return Ok{};
  return std::move(asked).error();
}

}  // namespace qarax::qemu
