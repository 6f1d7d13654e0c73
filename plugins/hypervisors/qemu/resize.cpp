// Qemu's part that changes how much of a machine a guest has while it runs.
#include <algorithm>

#include "devices.hpp"
#include "first_run.hpp"
#include "hotplug.hpp"
#include "qemu.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

namespace {

constexpr std::int64_t kAskAgainNs = 1'000'000'000;

std::string bytes(std::int64_t count) { return std::to_string(count) + " bytes"; }

Error refused(std::vector<ErrorDetail> problems) {
  return plugin::invalid("the VM can't be resized", std::move(problems));
}

Status has_room(const VmSpec& spec, const ResizeArgs& args) {
  auto problems = plugin::resize_problems(spec, args);
  if (problems.empty() && args.memory && (*args.memory - spec.memory_size) % kMemoryStep != 0)
    problems.push_back(
        {"/memory", "must be memory_size and, on top of it, a multiple of " + bytes(kMemoryStep) + " (128 MiB)"});
  return problems.empty() ? Status(Ok{}) : Status(refused(std::move(problems)));
}

std::int32_t plugged(const std::vector<VcpuSlot>& slots) {
  return static_cast<std::int32_t>(
      std::count_if(slots.begin(), slots.end(), [](const VcpuSlot& slot) { return !slot.path.empty(); }));
}

// The next one in order, so that a restore, which fills the slots in order too, finds the same machine.
Status plug_vcpu(const plugin::Call& call, QmpClient& qmp, const std::vector<VcpuSlot>& slots) {
  const auto free = std::find_if(slots.begin(), slots.end(), [](const VcpuSlot& slot) { return slot.path.empty(); });
  if (free == slots.end()) return make_error(Code::internal, "QEMU has no place for another vCPU");
  json::Object device{{"driver", json::Value(free->type)},
                      {"id", json::Value("vcpu-" + std::to_string(free - slots.begin()))}};
  device.insert(device.end(), free->where.begin(), free->where.end());
  QARAX_CHECK(qmp.execute(call, "device_add", device));
  return Ok{};
}

// The next one's name.
Result<std::string> free_dimm(const std::vector<Dimm>& dimms) {
  if (dimms.size() >= static_cast<std::size_t>(kMemorySlots))
    return make_error(Code::resource_exhausted, "all " + std::to_string(kMemorySlots) +
                                                    " memory slots of the VM are taken; take memory away in the "
                                                    "pieces in which it was added, or stop and start the VM");
  const auto taken = [&](const std::string& id) {
    return std::any_of(dimms.begin(), dimms.end(), [&](const Dimm& dimm) { return dimm.id == id; });
  };
  int number = 0;
  while (taken("dimm-" + std::to_string(number))) ++number;
  return "dimm-" + std::to_string(number);
}

// Those that have `size` together, the latest before the others; none: no such do.
std::vector<Dimm> pieces_of(const std::vector<Dimm>& dimms, std::int64_t size) {
  if (dimms.size() > static_cast<std::size_t>(kMemorySlots)) return {};
  for (std::uint32_t some = (1U << dimms.size()) - 1; some > 0; --some) {
    std::vector<Dimm> out;
    std::int64_t sum = 0;
    for (std::size_t i = dimms.size(); i-- > 0;) {
      if ((some >> i & 1U) == 0) continue;
      out.push_back(dimms[i]);
      sum += dimms[i].size;
    }
    if (sum == size) return out;
  }
  return {};
}

Error must_run(const VmArgs& vm, const std::string& state, const std::string& what) {
  return make_error(Code::failed_precondition, "VM " + vm.vm + " is " + state + ": its guest has to run to let go of " +
                                                   what + "; resume it first");
}

}  // namespace

// What a resize does, decided before the first of it is done, and what of it has been done.
struct Changes {
  std::int32_t vcpus_before = 0;
  bool takes_vcpus = false;
  std::int64_t memory_in = 0;  // bytes of the DIMM that comes
  std::string new_dimm{};
  std::vector<Dimm> dimms_out{};
  std::vector<Dimm> gone{};  // of dimms_out
  bool has_come = false;     // new_dimm
};

namespace {

Status plan_memory(const plugin::Call& call, QmpClient& qmp, const VmSpec& spec, std::int64_t wanted, Changes& out) {
  QARAX_TRY(const std::vector<Dimm> dimms, plugged_memory(call, qmp));
  std::int64_t now = spec.memory_size;
  for (const Dimm& dimm : dimms) now += dimm.size;
  if (wanted > now) {
    out.memory_in = wanted - now;
    QARAX_TRY(out.new_dimm, free_dimm(dimms));
  }
  if (wanted >= now) return Ok{};
  out.dimms_out = pieces_of(dimms, now - wanted);
  if (!out.dimms_out.empty()) return Ok{};
  std::string sizes;
  for (const Dimm& dimm : dimms) sizes += (sizes.empty() ? "" : ", ") + std::to_string(dimm.size);
  return refused({{"/memory", "can't be " + bytes(wanted) + ": the VM has " + bytes(now) +
                                  ", and what was added goes in the pieces in which it came, of " + sizes + " bytes"}});
}

Status plan_vcpus(const plugin::Call& call, QmpClient& qmp, const VmArgs& vm, const Handle& handle, std::int32_t wanted,
                  Changes& out) {
  QARAX_TRY(const std::vector<VcpuSlot> slots, vcpu_slots(call, qmp));
  out.vcpus_before = plugged(slots);
  out.takes_vcpus = out.vcpus_before > wanted;
  // Seen with QEMU 7.2: the next change of its memory map (a disk, memory) is a segmentation fault.
  if (out.takes_vcpus && handle.accelerator == "tcg")
    return make_error(Code::failed_precondition, "VM " + vm.vm + " has " + std::to_string(out.vcpus_before) +
                                                     " vCPUs and keeps them until it is stopped: without KVM QEMU "
                                                     "doesn't survive that one is taken out");
  return Ok{};
}

Result<Changes> plan(const plugin::Call& call, QmpClient& qmp, const ResizeArgs& args, const Handle& handle,
                     const VmSpec& spec) {
  Changes out;
  if (args.vcpus) QARAX_CHECK(plan_vcpus(call, qmp, args.vm, handle, *args.vcpus, out));
  if (args.memory) QARAX_CHECK(plan_memory(call, qmp, spec, *args.memory, out));
  if (!out.takes_vcpus && out.dimms_out.empty()) return out;
  QARAX_TRY(const std::string state, ask_state(call, qmp, args.vm.run_dir));
  if (state != "running") return must_run(args.vm, state, out.takes_vcpus ? "vCPUs" : "memory");
  return out;
}

// QEMU keeps what a dimm still uses.
Status remove_memory(const plugin::Call& call, QmpClient& qmp, const std::string& id) {
  return remove(call, qmp, "object-del", {{"id", json::Value(memory_id(id))}});
}

Status plug_memory(const plugin::Call& call, QmpClient& qmp, const VmSpec& spec, const std::string& id,
                   std::int64_t size) {
  // One that a broken-off call left behind would be in the way.
  QARAX_CHECK(remove_memory(call, qmp, id));
  QARAX_CHECK(qmp.execute(call, "object-add", memory_backend(spec, memory_id(id), size)));
  QARAX_CHECK(qmp.execute(
      call, "device_add",
      {{"driver", json::Value("pc-dimm")}, {"id", json::Value(id)}, {"memdev", json::Value(memory_id(id))}}));
  return Ok{};
}

}  // namespace

Status Qemu::unplug(plugin::Call& call, const VmArgs& vm, const std::string& path, const std::string& what) {
  QARAX_TRY(const std::string said, with_monitor(call, vm, [&](QmpClient& qmp) -> Result<std::string> {
              QARAX_TRY(const std::string now, ask_state(call, qmp, vm.run_dir));
              if (now == "running") QARAX_CHECK(ask_out(call, qmp, path));
              return now;
            }));
  if (said != "running") return must_run(vm, said, what);
  // Asked again each second: a guest that still boots doesn't hear it. The monitor is free in between: whoever looks at
  // the VM doesn't wait for its guest.
  std::int64_t ask_again = plugin::monotonic_ns() + kAskAgainNs;
  QARAX_TRY(const bool gone, plugin::ask_until(call, kUnplugMs, [&]() -> Result<bool> {
              const bool again = plugin::monotonic_ns() >= ask_again;
              if (again) ask_again += kAskAgainNs;
              return with_monitor(call, vm, [&](QmpClient& qmp) -> Result<bool> {
                if (again) QARAX_CHECK(ask_out(call, qmp, path));
                QARAX_TRY(const bool there, is_plugged(call, qmp, path));
                return !there;
              });
            }));
  if (gone) return Ok{};
  return make_error(Code::deadline_exceeded, "the guest of VM " + vm.vm + " didn't let go of " + what + " within " +
                                                 std::to_string(kUnplugMs / 1000) +
                                                 " s; it may be in use there, or the guest has no driver for it");
}

Status Qemu::resize_vcpus(plugin::Call& call, const VmArgs& vm, std::int32_t wanted) {
  for (;;) {
    QARAX_TRY(const std::vector<VcpuSlot> slots,
              with_monitor(call, vm, [&](QmpClient& qmp) -> Result<std::vector<VcpuSlot>> {
                QARAX_TRY(std::vector<VcpuSlot> seen, vcpu_slots(call, qmp));
                if (plugged(seen) >= wanted) return seen;
                QARAX_CHECK(plug_vcpu(call, qmp, seen));
                return vcpu_slots(call, qmp);
              }));
    const std::int32_t now = plugged(slots);
    if (now == wanted) return Ok{};
    if (now < wanted) continue;
    const auto last =
        std::find_if(slots.rbegin(), slots.rend(), [](const VcpuSlot& slot) { return !slot.path.empty(); });
    QARAX_CHECK(unplug(call, vm, last->path, "vCPU " + std::to_string(now - 1)));
  }
}

Status Qemu::change_memory(plugin::Call& call, const VmArgs& vm, const VmSpec& spec, Changes& changes) {
  for (const Dimm& dimm : changes.dimms_out) {
    QARAX_CHECK(unplug(call, vm, device_path(dimm.id), bytes(dimm.size) + " of memory"));
    changes.gone.push_back(dimm);
    static_cast<void>(with_monitor(call, vm, [&](QmpClient& qmp) { return remove_memory(call, qmp, dimm.id); }));
  }
  if (changes.memory_in == 0) return Ok{};
  const std::string& id = changes.new_dimm;
  auto added =
      with_monitor(call, vm, [&](QmpClient& qmp) { return plug_memory(call, qmp, spec, id, changes.memory_in); });
  changes.has_come = added.ok();
  if (added) return added;
  plugin::OwnCall own(undo_ms_);
  static_cast<void>(with_monitor(*own.get(), vm, [&](QmpClient& qmp) { return remove_memory(*own.get(), qmp, id); }));
  return added;
}

// What the guest may refuse to let go of goes first, and memory comes before vCPUs, which can't be taken back where the
// host has no memory for it.
Status Qemu::change(plugin::Call& call, const ResizeArgs& args, const VmSpec& spec, Changes& changes) {
  const bool vcpus_first = changes.takes_vcpus && changes.dimms_out.empty();
  if (vcpus_first) QARAX_CHECK(resize_vcpus(call, args.vm, *args.vcpus));
  QARAX_CHECK(change_memory(call, args.vm, spec, changes));
  return args.vcpus && !vcpus_first ? resize_vcpus(call, args.vm, *args.vcpus) : Status(Ok{});
}

// Returns the resize's error, which names what could not be undone. vCPUs that were added stay: without KVM QEMU
// doesn't survive that they go.
Error Qemu::undo_resize(const VmArgs& vm, const VmSpec& spec, const Changes& changes, Error error) {
  plugin::OwnCall own(undo_ms_);
  plugin::Call& call = *own.get();
  const auto unless = [&](const Status& undone, const std::string& what) {
    if (!undone) error.message += "; " + what + ", which could not be undone: " + undone.error().message;
  };
  for (auto dimm = changes.gone.rbegin(); dimm != changes.gone.rend(); ++dimm)
    unless(with_monitor(call, vm, [&](QmpClient& qmp) { return plug_memory(call, qmp, spec, dimm->id, dimm->size); }),
           bytes(dimm->size) + " of memory were taken out");
  if (changes.has_come) {
    const std::string what = bytes(changes.memory_in) + " of memory";
    const Status out = unplug(call, vm, device_path(changes.new_dimm), what);
    if (out)
      static_cast<void>(
          with_monitor(call, vm, [&](QmpClient& qmp) { return remove_memory(call, qmp, changes.new_dimm); }));
    unless(out, what + " were added");
  }
  if (changes.takes_vcpus) unless(resize_vcpus(call, vm, changes.vcpus_before), "vCPUs were taken out");
  return error;
}

Result<VmStatus> Qemu::resize(plugin::Call& call, const ResizeArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args.vm));
  QARAX_TRY(const VmSpec spec, spec_of(args.vm, handle));
  QARAX_CHECK(has_room(spec, args));
  QARAX_TRY(Changes changes,
            with_monitor(call, args.vm, [&](QmpClient& qmp) { return plan(call, qmp, args, handle, spec); }));
  if (Status changed = change(call, args, spec, changes); !changed)
    return undo_resize(args.vm, spec, changes, std::move(changed).error());
  return look(call, args.vm, handle);
}

}  // namespace qarax::qemu
