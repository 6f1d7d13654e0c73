// Qemu's part that plugs disks and NICs into a VM and takes them out again. The handle says what is there or is about
// to be, and is kept before the device is made, so that a restart of the agent loses none.
#include "device_commands.hpp"
#include "devices.hpp"
#include "hotplug.hpp"
#include "qemu.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

namespace {

// The machine's bus for devices that come later.
Result<std::string> bus_of(const VmArgs& vm, const Handle& handle) {
  QARAX_TRY(const VmSpec spec, spec_of(vm, handle));
  QARAX_TRY(const VmOptions options, vm_options(spec));
  std::string bus = hotplug_bus(handle.machine, options.hotplug.value_or(false));
  if (bus.empty())
    return make_error(Code::failed_precondition,
                      "VM " + vm.vm +
                          " has no place for devices that are plugged in; `hotplug: true` in its config "
                          "makes one at its next start");
  return bus;
}

}  // namespace

template <class Device, class Plug>
Result<VmStatus> Qemu::attach(plugin::Call& call, const VmArgs& vm, std::vector<Device> Handle::*devices,
                              const Device& device, const Plug& plug_in) {
  QARAX_TRY(Handle handle, read_handle(vm));
  QARAX_TRY(const std::string bus, bus_of(vm, handle));
  auto& kept = handle.*devices;
  if (const auto there = plugin::find_device(kept, device.id); there != kept.end()) {
    if (!plugin::same_device(*there, device))
      return make_error(Code::already_exists, "VM " + vm.vm + " has another device " + device.id + "; detach it first");
    QARAX_TRY(const bool plugged, with_monitor(call, vm, [&](QmpClient& qmp) {
                return is_plugged(call, qmp, device_path(device_id(device)));
              }));
    if (plugged) return look(call, vm, handle);
    kept.erase(there);  // it was about to be, when the agent ended
  }
  const Handle before = handle;
  kept.push_back(device);
  QARAX_CHECK(call.keep(encode(handle)));
  auto done = with_monitor(call, vm, [&](QmpClient& qmp) { return plug_in(qmp, bus); });
  if (done) return look(call, vm, handle);
  if (take_back(vm, device)) {
    static_cast<void>(call.keep(encode(before)));
  } else if (done.error().code != Code::failed_precondition) {  // which says that the VM has ended
    // The guest may have it: a handle without it would lose it for good.
    done.error().hint = "device " + device.id + " may be there; attach it again, or detach it";
  }
  return std::move(done).error();
}

template <class Device>
Status Qemu::take_back(const VmArgs& vm, const Device& device) {
  plugin::OwnCall own(undo_ms_);
  plugin::Call& call = *own.get();
  return with_monitor(call, vm, [&](QmpClient& qmp) -> Status {
    // An unanswered device_add may have been carried out, and QEMU lets go of a backend that a NIC still uses.
    QARAX_TRY(const bool there, is_plugged(call, qmp, device_path(device_id(device))));
    if (there) return make_error(Code::failed_precondition, "the guest has it");
    return remove_backend(call, qmp, device);
  });
}

template <class Device>
Result<VmStatus> Qemu::detach(plugin::Call& call, const DetachArgs& args, std::vector<Device> Handle::*devices,
                              const char* what) {
  QARAX_TRY(Handle handle, read_handle(args.vm));
  auto& kept = handle.*devices;
  const auto there = plugin::find_device(kept, args.id);
  if (there == kept.end()) return look(call, args.vm, handle);
  QARAX_CHECK(unplug(call, args.vm, device_path(device_id(*there)), what + (" " + args.id)));
  // The guest's device is out before QEMU has let go of what was behind it.
  QARAX_TRY(const bool removed, plugin::ask_until(call, kUnplugMs, [&]() -> Result<bool> {
              auto done =
                  with_monitor(call, args.vm, [&](QmpClient& qmp) { return remove_backend(call, qmp, *there); });
              if (done) return true;
              if (done.error().message.find("in use") != std::string::npos) return false;
              return std::move(done).error();
            }));
  if (!removed)
    return make_error(Code::deadline_exceeded, "QEMU doesn't let go of what is behind " + device_id(*there));
  kept.erase(there);
  QARAX_CHECK(call.keep(encode(handle)));
  return look(call, args.vm, handle);
}

Result<VmStatus> Qemu::attach_disk(plugin::Call& call, const DiskArgs& args) {
  if (auto problems = problems_of(args.disk, call.fd_count()); !problems.empty())
    return plugin::invalid("QEMU can't attach disk " + args.disk.id, std::move(problems), "/disk");
  QARAX_TRY(const plugin::OpenedDisk opened, plugin::look_at_disk(call, args.disk));
  return attach(call, args.vm, &Handle::disks, args.disk,
                [&](QmpClient& qmp, const std::string& bus) { return plug(call, qmp, args.disk, opened, bus); });
}

Result<VmStatus> Qemu::detach_disk(plugin::Call& call, const DetachArgs& args) {
  return detach(call, args, &Handle::disks, "disk");
}

Result<VmStatus> Qemu::resize_disk(plugin::Call& call, const DiskResizeArgs& args) {
  QARAX_TRY(Handle handle, read_handle(args.vm));
  const auto disk = plugin::find_device(handle.disks, args.id);
  if (disk == handle.disks.end()) return make_error(Code::not_found, "VM " + args.vm.vm + " has no disk " + args.id);
  QARAX_CHECK(with_monitor(call, args.vm, [&](QmpClient& qmp) -> Status {
    QARAX_TRY(const std::int64_t now, disk_size(call, qmp, *disk));
    // QEMU would cut the file off.
    if (args.size < now)
      return plugin::invalid("disk " + args.id + " can't be resized",
                             {{"/size", "must be at least what it is, " + std::to_string(now) + " bytes"}});
    return qemu::resize_disk(call, qmp, *disk, args.size);
  }));
  return look(call, args.vm, handle);
}

Result<VmStatus> Qemu::attach_nic(plugin::Call& call, const NicArgs& args) {
  auto problems = problems_of(args.nic, call.fd_count());
  if (args.nic.rate_limits) problems.push_back({"/rate_limits", "QEMU can't limit a NIC; limit its tap (tc) instead"});
  if (!problems.empty()) return plugin::invalid("QEMU can't attach NIC " + args.nic.id, std::move(problems), "/nic");
  return attach(call, args.vm, &Handle::nics, args.nic,
                [&](QmpClient& qmp, const std::string& bus) { return plug(call, qmp, args.nic, bus); });
}

Result<VmStatus> Qemu::detach_nic(plugin::Call& call, const DetachArgs& args) {
  return detach(call, args, &Handle::nics, "NIC");
}

}  // namespace qarax::qemu
