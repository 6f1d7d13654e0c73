// CloudHypervisor's part that writes a VM to a folder and goes on from one. Cloud Hypervisor opens the folder by its
// path; beside its own files stands ours, written last, that says whose snapshot it is.
#include "cloud_hypervisor.hpp"
#include "devices.hpp"
#include "snapshot_files.hpp"

namespace qarax::cloud_hypervisor {

namespace {

Status can_be_written(const VmArgs& vm, const Handle& handle) {
  const auto refuse = [&](const std::string& what) {
    return make_error(Code::failed_precondition,
                      "VM " + vm.vm + " can't be snapshotted with " + what + " attached; detach it first",
                      "wrong-state");
  };
  for (const DiskSpec& disk : handle.disks)
    if (!disk.readonly) return refuse("the writable disk " + disk.id);
  for (const NicSpec& nic : handle.nics)
    if (!nic.fds.empty()) return refuse("the NIC " + nic.id + ", whose tap was given by descriptor,");
  return Ok{};
}

}  // namespace

Result<VmStatus> CloudHypervisor::snapshot(plugin::Call& call, const SnapshotArgs& args) {
  const VmArgs& vm = args.vm;
  QARAX_TRY(const Handle handle, read_handle(vm));
  QARAX_CHECK(needs("snapshot", version_running(handle)));
  QARAX_TRY(const VmSpec spec, spec_of(vm, handle));
  QARAX_CHECK(can_be_written(vm, handle));
  QARAX_TRY(const std::string folder, folder_path(call.fd(0)));
  const auto said = api(vm.run_dir).info(call);
  if (!said) return why_not(call, vm, handle, said.error());
  const bool runs = said->state == "Running";
  if (!runs && said->state != "Paused")
    return make_error(Code::failed_precondition, "VM " + vm.vm + " is " + said->state + " and can't be snapshotted");
  drop_snapshot(folder);
  Status written = runs ? api(vm.run_dir).pause(call) : Status(Ok{});
  if (written) {
    call.progress("memory", 1, 2);
    written = patient_api(vm.run_dir).snapshot(call, folder);
  }
  if (const Status goes_on = runs ? resume_after_all(vm) : Status(Ok{}); !goes_on && written) written = goes_on;
  if (written)
    written = finish_snapshot(folder, {kSnapshotFormat, "cloud_hv", handle.version, spec,
                                       static_cast<std::int32_t>(said->vcpus.value_or(spec.boot_vcpus)),
                                       said->memory.value_or(spec.memory_size), handle.disks, handle.nics});
  if (!written) {
    drop_snapshot(folder);
    return why_not(call, vm, handle, written.error());
  }
  call.progress("written", 2, 2);
  return look(call, vm, handle);
}

Status CloudHypervisor::resume_after_all(const VmArgs& vm) {
  // Its one API thread may still be at what the caller gave up, and then reads this only afterwards; and it reads
  // nothing of who has hung up by then. So this one waits: the VMM's end is a hang-up, and a stop brings that about.
  plugin::OwnCall own(kNoLimitMs);
  return patient_api(vm.run_dir).resume(*own.get());
}

Result<VmStatus> CloudHypervisor::restore(plugin::Call& call, const StartArgs& args) {
  const auto vmm = look_for_vmm(call);
  if (vmm->program.path.empty()) return no_program(vmm->program);
  const std::string version = vmm->program.text;
  QARAX_CHECK(needs("snapshot", known_version()));
  QARAX_TRY(const std::string folder, folder_path(call.fd(0)));
  QARAX_TRY(const Machine machine, read_machine(folder));
  std::string why;
  if (machine.version != version)
    why = "it was made by Cloud Hypervisor " + machine.version + " and this node has " + version;
  else if (const std::string member = plugin::frozen_difference(machine.spec, machine.vcpus, machine.memory, args.spec);
           !member.empty())
    why = "its " + member + " isn't the VM's";
  if (!why.empty())
    return make_error(Code::failed_precondition, "VM " + args.vm + " can't go on from the snapshot: " + why);
  const std::string view = args.run_dir + "/" + kRestoreView;
  QARAX_CHECK(make_restore_view(folder, view, kSerial));
  // As it was started; what it was resized to since is in the snapshot.
  StartArgs as_frozen = args;
  as_frozen.spec = machine.spec;
  auto started = start_or_restore(call, as_frozen, &machine);
  // It has read all of it; under a name of this incarnation nobody would look for it again.
  remove_restore_view(view);
  return started;
}

}  // namespace qarax::cloud_hypervisor
