#include "table_hypervisor.hpp"

#include <algorithm>
#include <array>

#include "qarax/core/cut.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/json/depth.hpp"
#include "qarax/plugin/table.hpp"
#include "resolved_check.hpp"

namespace qarax::core {

namespace {

// The id of the VM that a call's arguments name; empty: none.
template <class Args>
std::string vm_of(const Args& args) {
  if constexpr (requires { args.vm.vm; })
    return args.vm.vm;
  else if constexpr (requires { args.vm; })
    return args.vm;
  else
    return {};
}

template <class R>
Result<R> read_answer(const std::string& document) {
  auto parsed = json::parse(document);
  if (!parsed) return std::move(parsed).error().context(Fields<R>::kName);
  if (const int depth = json::depth_of(*parsed); depth > kMaxAnswerDepth)
    return make_error(Code::invalid_argument, std::string(Fields<R>::kName) + " nests " + std::to_string(depth) +
                                                  " levels deep; at most " + std::to_string(kMaxAnswerDepth) +
                                                  " are taken");
  return decode<R>(*parsed, Unknown::ignore, document);
}

// Cuts the texts of an answer; this is the one place for all calls.
template <class R>
void bound(R& answer) {
  if constexpr (requires { cut(answer); }) cut(answer);
}

}  // namespace

TableHypervisor::TableHypervisor(const qarax_plugin_table& table, void* instance, const HypervisorTables& interfaces)
    : name_(plugin::view(table.name)),
      version_(repaired(table.version)),
      table_(table),
      instance_(instance),
      interfaces_(interfaces) {}

void TableHypervisor::destroy() {
  try {
    table_.destroy(instance_);
  } catch (...) {  // NOLINT(bugprone-empty-catch): destroy must not throw; its resources are lost, others go on
  }
}

bool TableHypervisor::supports(std::string_view interface_id) const {
  const auto ids = interfaces_.ids();
  return std::find(ids.begin(), ids.end(), interface_id) != ids.end();
}

std::string TableHypervisor::what(std::string_view action) const {
  return std::string("plugin ").append(name_).append(": ").append(action);
}

Error TableHypervisor::unimplemented(std::string_view action, std::string_view interface_id) const {
  return make_error(Code::unimplemented,
                    std::string("plugin ")
                        .append(name_)
                        .append(" ")
                        .append(version_)
                        .append(" can't ")
                        .append(action)
                        .append(": it doesn't offer ")
                        .append(interface_id),
                    "capability-missing");
}

// Calls the slot with encoded arguments; returns the document as the plugin put it.
template <class Args>
Result<std::string> TableHypervisor::raw(qarax_slot slot, const std::string& what, PluginCall& call, const Args& args) {
  const CallGate::Pass pass(gate_);
  if (!pass) return make_error(Code::unavailable, what + ": the node is shutting down", "shutting-down");
  if (plugin::Call(call.raw()).expired())
    return make_error(Code::deadline_exceeded, what + ": the deadline had passed before the call");
  return call.run(what, [&] { return slot(instance_, call.raw(), plugin::text(args)); });
}

template <class R>
Result<R> TableHypervisor::invoke(qarax_slot slot, std::string_view action, const CallContext& context,
                                  const std::string& args, std::string vm) {
  PluginCall call(context, false, std::move(vm));
  const std::string named = what(action);
  QARAX_TRY(const std::string document, raw(slot, named, call, args));
  if (!call.has_document())
    return make_error(Code::internal, named + " succeeded without an answer; the plugin must `put` one", "plugin-bug");
  auto decoded = read_answer<R>(document);
  if (decoded) {
    bound(*decoded);
    return decoded;
  }
  Error error = make_error(Code::internal, named + " gave an answer that can't be read: " + decoded.error().message,
                           "plugin-bug");
  error.details = std::move(decoded.error().details);
  cut(error);
  return error;
}

template <class R, class Table, class Args>
Result<R> TableHypervisor::call(const Table* table, std::string_view interface_id, qarax_slot Table::*slot,
                                std::string_view action, const CallContext& context, const Args& args) {
  const auto function = plugin::slot_of(table, slot);
  if (function == nullptr) return unimplemented(action, interface_id);
  return invoke<R>(function, action, context, encode(args), vm_of(args));
}

Result<Description> TableHypervisor::describe(const CallContext& context) {
  return invoke<Description>(table_.describe, "describe", context, {}, {});
}
Result<VmSpec> TableHypervisor::resolve(const CallContext& context, const ResolveArgs& args) {
  if (plugin::slot_of(interfaces_.basic, &qarax_hypervisor_1::resolve) == nullptr) return args.spec;
  QARAX_TRY(VmSpec resolved, call<VmSpec>(interfaces_.basic, QARAX_HYPERVISOR_1, &qarax_hypervisor_1::resolve,
                                          "resolve", context, args));
  if (auto checked = check_resolved(args.spec, resolved); !checked)
    return std::move(checked).error().context("plugin " + name_);
  return resolved;
}
Result<VmStatus> TableHypervisor::start(const CallContext& context, const StartArgs& args) {
  return call<VmStatus>(interfaces_.basic, QARAX_HYPERVISOR_1, &qarax_hypervisor_1::start, "start", context, args);
}
Result<VmStatus> TableHypervisor::stop(const CallContext& context, const StopArgs& args) {
  return call<VmStatus>(interfaces_.basic, QARAX_HYPERVISOR_1, &qarax_hypervisor_1::stop, "stop", context, args);
}
Result<VmStatus> TableHypervisor::inspect(const CallContext& context, const VmArgs& args) {
  return call<VmStatus>(interfaces_.basic, QARAX_HYPERVISOR_1, &qarax_hypervisor_1::inspect, "inspect", context, args);
}
Result<VmStatus> TableHypervisor::recover(const CallContext& context, const VmArgs& args) {
  return call<VmStatus>(interfaces_.basic, QARAX_HYPERVISOR_1, &qarax_hypervisor_1::recover, "recover", context, args);
}
Result<VmStatus> TableHypervisor::pause(const CallContext& context, const VmArgs& args) {
  return call<VmStatus>(interfaces_.pause, QARAX_HYPERVISOR_PAUSE_1, &qarax_hypervisor_pause_1::pause, "pause", context,
                        args);
}
Result<VmStatus> TableHypervisor::resume(const CallContext& context, const VmArgs& args) {
  return call<VmStatus>(interfaces_.pause, QARAX_HYPERVISOR_PAUSE_1, &qarax_hypervisor_pause_1::resume, "resume",
                        context, args);
}
Result<VmStatus> TableHypervisor::reboot(const CallContext& context, const VmArgs& args) {
  return call<VmStatus>(interfaces_.reboot, QARAX_HYPERVISOR_REBOOT_1, &qarax_hypervisor_reboot_1::reboot, "reboot",
                        context, args);
}
Result<VmStatus> TableHypervisor::resize(const CallContext& context, const ResizeArgs& args) {
  return call<VmStatus>(interfaces_.resize, QARAX_HYPERVISOR_RESIZE_1, &qarax_hypervisor_resize_1::resize, "resize",
                        context, args);
}
Result<VmStatus> TableHypervisor::snapshot(const CallContext& context, const SnapshotArgs& args) {
  return call<VmStatus>(interfaces_.snapshot, QARAX_HYPERVISOR_SNAPSHOT_1, &qarax_hypervisor_snapshot_1::snapshot,
                        "snapshot", context, args);
}
Result<VmStatus> TableHypervisor::restore(const CallContext& context, const StartArgs& args) {
  return call<VmStatus>(interfaces_.snapshot, QARAX_HYPERVISOR_SNAPSHOT_1, &qarax_hypervisor_snapshot_1::restore,
                        "restore", context, args);
}
Result<VmStatus> TableHypervisor::attach_disk(const CallContext& context, const DiskArgs& args) {
  return call<VmStatus>(interfaces_.disks, QARAX_HYPERVISOR_DISKS_1, &qarax_hypervisor_disks_1::attach, "attach a disk",
                        context, args);
}
Result<VmStatus> TableHypervisor::detach_disk(const CallContext& context, const DetachArgs& args) {
  return call<VmStatus>(interfaces_.disks, QARAX_HYPERVISOR_DISKS_1, &qarax_hypervisor_disks_1::detach, "detach a disk",
                        context, args);
}
Result<VmStatus> TableHypervisor::resize_disk(const CallContext& context, const DiskResizeArgs& args) {
  return call<VmStatus>(interfaces_.disks, QARAX_HYPERVISOR_DISKS_1, &qarax_hypervisor_disks_1::resize, "resize a disk",
                        context, args);
}
Result<VmStatus> TableHypervisor::attach_nic(const CallContext& context, const NicArgs& args) {
  return call<VmStatus>(interfaces_.nics, QARAX_HYPERVISOR_NICS_1, &qarax_hypervisor_nics_1::attach, "attach a NIC",
                        context, args);
}
Result<VmStatus> TableHypervisor::detach_nic(const CallContext& context, const DetachArgs& args) {
  return call<VmStatus>(interfaces_.nics, QARAX_HYPERVISOR_NICS_1, &qarax_hypervisor_nics_1::detach, "detach a NIC",
                        context, args);
}
Result<Counters> TableHypervisor::counters(const CallContext& context, const VmArgs& args) {
  return call<Counters>(interfaces_.counters, QARAX_HYPERVISOR_COUNTERS_1, &qarax_hypervisor_counters_1::counters,
                        "counters", context, args);
}

// The answer is a descriptor, not a document.
Result<Fd> TableHypervisor::open_console(const CallContext& context, const VmArgs& args) {
  constexpr std::string_view kAction = "open the console";
  const auto slot = plugin::slot_of(interfaces_.console, &qarax_hypervisor_console_1::open);
  if (slot == nullptr) return unimplemented(kAction, QARAX_HYPERVISOR_CONSOLE_1);
  PluginCall call(context, true, args.vm);
  const std::string named = what(kAction);
  QARAX_CHECK(raw(slot, named, call, encode(args)));
  auto fds = call.take_fds();
  if (fds.size() != 1)
    return make_error(Code::internal,
                      named + " succeeded with " + std::to_string(fds.size()) + " descriptors; it must put exactly one",
                      "plugin-bug");
  return std::move(fds.front());
}

Result<std::string> TableHypervisor::call_raw(const CallContext& context, std::string_view slot,
                                              const std::string& args) {
  using Basic = qarax_hypervisor_1;
  constexpr std::pair<std::string_view, qarax_slot Basic::*> kSlots[] = {{"resolve", &Basic::resolve},
                                                                         {"start", &Basic::start},
                                                                         {"stop", &Basic::stop},
                                                                         {"inspect", &Basic::inspect},
                                                                         {"recover", &Basic::recover}};
  qarax_slot function = nullptr;
  for (const auto& [name, member] : kSlots)
    if (name == slot) function = plugin::slot_of(interfaces_.basic, member);
  if (function == nullptr) return unimplemented(slot, QARAX_HYPERVISOR_1);
  PluginCall call(context, false);
  return raw(function, what(slot), call, args);
}

}  // namespace qarax::core
