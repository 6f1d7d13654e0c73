// CloudHypervisor's part that plugs disks and NICs into a VM and takes them out again. The handle says what is there or
// is about to be, and is kept before the device is made, so that a restart of the agent loses none.
#include <algorithm>

#include "cloud_hypervisor.hpp"
#include "device_config.hpp"
#include "devices.hpp"
#include "disk_image.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr int kUnplugMs = 15'000;  // a guest lets go within a second, one that boots takes longer

bool has(const Info& said, const std::string& device) {
  return std::find(said.devices.begin(), said.devices.end(), device) != said.devices.end();
}

}  // namespace

Status CloudHypervisor::needs(const std::string& feature, const Version& version) const {
  const auto features = features_of(version, settings_);
  if (std::find(features.begin(), features.end(), feature) != features.end()) return Ok{};
  return make_error(Code::unimplemented,
                    "Cloud Hypervisor " + to_string(version) + (settings_.landlock ? " under landlock" : "") +
                        " has no " + feature + " on this node; its features say what it has",
                    "capability-missing");
}

template <class Device, class Add>
Result<VmStatus> CloudHypervisor::attach(plugin::Call& call, const VmArgs& vm, std::vector<Device> Handle::*devices,
                                         const Device& device, const Add& add) {
  QARAX_TRY(Handle handle, read_handle(vm));
  const ApiClient asked = api(vm.run_dir);
  const auto said = asked.info(call);
  if (!said) return why_not(call, vm, handle, said.error());
  auto& kept = handle.*devices;
  if (const auto there = plugin::find_device(kept, device.id); there != kept.end()) {
    if (!plugin::same_device(*there, device))
      return make_error(Code::already_exists, "VM " + vm.vm + " has another device " + device.id + "; detach it first");
    if (has(*said, device_id(device))) return look(call, vm, handle);
    kept.erase(there);  // it was about to be, when the agent ended
  }
  const Handle before = handle;
  kept.push_back(device);
  QARAX_CHECK(call.keep(encode(handle)));
  const Status done = add(asked);
  if (done) return look(call, vm, handle);
  // No answer doesn't mean no device: only a refusal does.
  if (done.error().reason == "vmm-refused") static_cast<void>(call.keep(encode(before)));
  return why_not(call, vm, handle, done.error());
}

template <class Device>
Result<VmStatus> CloudHypervisor::detach(plugin::Call& call, const DetachArgs& args,
                                         std::vector<Device> Handle::*devices, const char* what) {
  const VmArgs& vm = args.vm;
  QARAX_TRY(Handle handle, read_handle(vm));
  auto& kept = handle.*devices;
  const auto there = plugin::find_device(kept, args.id);
  if (there == kept.end()) return look(call, vm, handle);
  const ApiClient asked = api(vm.run_dir);
  const std::string device = device_id(*there);
  const auto said = asked.info(call);
  if (!said) return why_not(call, vm, handle, said.error());
  if (has(*said, device)) {
    if (said->state != "Running")
      return make_error(Code::failed_precondition, "VM " + vm.vm + " is " + said->state +
                                                       ": its guest has to run to let go of " + what + " " + args.id +
                                                       "; resume it first");
    if (const Status done = asked.remove_device(call, device); !done) return why_not(call, vm, handle, done.error());
    QARAX_TRY(const bool gone, plugin::ask_until(call, kUnplugMs, [&]() -> Result<bool> {
                QARAX_TRY(const Info now, asked.info(call));
                return !has(now, device);
              }));
    if (!gone)
      return make_error(Code::deadline_exceeded, "the guest of VM " + vm.vm + " didn't let go of " + what + " " +
                                                     args.id + " within " + std::to_string(kUnplugMs / 1000) +
                                                     " s; it may be in use there, or the guest has no driver for it");
  }
  kept.erase(there);
  QARAX_CHECK(call.keep(encode(handle)));
  return look(call, vm, handle);
}

Result<VmStatus> CloudHypervisor::attach_disk(plugin::Call& call, const DiskArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args.vm));
  const Version version = version_running(handle);
  QARAX_CHECK(needs("disks", version));
  auto problems = problems_of(args.disk, call.fd_count());
  const auto more = unsupported(args.disk, version);
  problems.insert(problems.end(), more.begin(), more.end());
  if (!problems.empty())
    return plugin::invalid("Cloud Hypervisor can't attach disk " + args.disk.id, std::move(problems), "/disk");
  QARAX_CHECK(plugin::look_at_disk(call, args.disk));
  return attach(call, args.vm, &Handle::disks, args.disk,
                [&](const ApiClient& asked) { return asked.add_disk(call, build_disk_config(args.disk)); });
}

Result<VmStatus> CloudHypervisor::detach_disk(plugin::Call& call, const DetachArgs& args) {
  return detach(call, args, &Handle::disks, "disk");
}

Result<VmStatus> CloudHypervisor::resize_disk(plugin::Call& call, const DiskResizeArgs& args) {
  QARAX_TRY(Handle handle, read_handle(args.vm));
  QARAX_CHECK(needs("disk-resize", version_running(handle)));
  const auto disk = plugin::find_device(handle.disks, args.id);
  if (disk == handle.disks.end()) return make_error(Code::not_found, "VM " + args.vm.vm + " has no disk " + args.id);
  if (disk->format == DiskFormat::raw) {
    QARAX_TRY(const plugin::OpenedDisk now, plugin::look_at_disk(call, *disk));
    // It would cut the file off.
    if (args.size < now.size)
      return plugin::invalid("disk " + args.id + " can't be resized",
                             {{"/size", "must be at least what it is, " + std::to_string(now.size) + " bytes"}});
  }
  const Status done = api(args.vm.run_dir).resize_disk(call, device_id(*disk), args.size);
  if (!done) return why_not(call, args.vm, handle, done.error());
  return look(call, args.vm, handle);
}

Result<VmStatus> CloudHypervisor::attach_nic(plugin::Call& call, const NicArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args.vm));
  QARAX_CHECK(needs("nics", version_running(handle)));
  auto problems = problems_of(args.nic, call.fd_count());
  if (!problems.empty())
    return plugin::invalid("Cloud Hypervisor can't attach NIC " + args.nic.id, std::move(problems), "/nic");
  std::vector<int> fds;
  for (const std::int32_t index : args.nic.fds) fds.push_back(call.fd(static_cast<std::size_t>(index)));
  return attach(call, args.vm, &Handle::nics, args.nic,
                [&](const ApiClient& asked) { return asked.add_net(call, build_net_config(args.nic), fds); });
}

Result<VmStatus> CloudHypervisor::detach_nic(plugin::Call& call, const DetachArgs& args) {
  return detach(call, args, &Handle::nics, "NIC");
}

}  // namespace qarax::cloud_hypervisor
