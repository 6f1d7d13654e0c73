// The part of class Qemu that starts a VM: from scratch, from a snapshot, or by finishing an interrupted start.
#include "first_run.hpp"
#include "qemu.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

namespace {

constexpr int kMonitorFd = 10;  // descriptor numbers inside QEMU
constexpr int kSerialFd = 11;

}  // namespace

Result<VmStatus> Qemu::start(plugin::Call& call, const StartArgs& args) {
  return start_or_restore(call, args, std::nullopt);
}

Result<VmStatus> Qemu::start_or_restore(plugin::Call& call, StartArgs args, const std::optional<Thaw>& from) {
  const auto vmm = look_for_vmm(call);
  if (const Program program = this->program(); program.path.empty())
    return make_error(Code::failed_precondition, program.why_not, "hypervisor-unavailable");
  QARAX_CHECK(plugin::needs_boot_source(args));
  QARAX_TRY(const Verdict verdict, vmm->accelerator.settled(call));
  if (verdict.accelerator.empty()) return demands_kvm(verdict);
  if (from) {
    if (const std::string why = difference(from->machine, args.spec, verdict.accelerator); !why.empty())
      return make_error(Code::failed_precondition, "VM " + args.vm + " can't go on from the snapshot: " + why);
    // Use the spec that the VM was started with; the snapshot holds the sizes since then.
    args.spec = from->machine.spec;
  }
  QARAX_TRY(const VmOptions options, vm_options(args.spec));
  Handle handle;
  handle.vmm = "qemu";
  handle.accelerator = verdict.accelerator;
  handle.evidence = verdict.evidence;
  handle.machine = options.machine.empty() ? settings_.machine : options.machine;
  handle.spec = args.spec;
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive) {
    QARAX_TRY(VmStatus status, look(call, plugin::vm_of(args), handle));
    if (!is_prelaunch(status)) return status;
    if (!from && !awaits_snapshot(status)) {
      // An interrupted start spawned it, but its guest never ran: finish that start.
      QARAX_TRY(Monitors::Lease qmp, monitors_.ask(call, args.run_dir, kQmpMs));
      QARAX_CHECK(qmp->cont(call));
      note_first_run(args.run_dir);
      return alive("running", handle, boot_sizes(args.spec));
    }
    // It waits to boot where a restore is wanted, or the other way round: replace it.
    monitors_.forget(args.run_dir);
    QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
  }
  QARAX_CHECK(check(args.spec, verdict));
  QARAX_CHECK(plugin::needs_free_run_dir(kind(), args));
  auto started = launch(call, args, handle, from);
  if (started) return started;
  monitors_.forget(args.run_dir);
  return plugin::undo_start(host_, kind(), args, std::move(started).error());
}

Result<VmStatus> Qemu::launch(plugin::Call& call, const StartArgs& args, const Handle& handle,
                              const std::optional<Thaw>& from) {
  QARAX_TRY(const VmOptions options, vm_options(args.spec));
  QARAX_CHECK(call.keep(encode(handle)));
  for (const std::string& name : kind().sockets)
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  QARAX_TRY(Socket monitor, listen_unix(args.run_dir, kMonitor));
  QARAX_TRY(Socket serial, listen_unix(args.run_dir, kSerial));

  forget_first_run(args.run_dir);

  const Program program = this->program();
  ArgvInput input;
  input.binary = program.path;
  input.accelerator = handle.accelerator;
  input.machine = settings_.machine;
  input.sandbox = settings_.sandbox && program.can_sandbox;
  input.tcg_tb_size_mib = settings_.tcg_tb_size_mib;
  input.monitor_fd = kMonitorFd;
  input.serial_fd = kSerialFd;
  if (from) input.frozen = Frozen{from->machine.vcpus, from->machine.dimms};
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(input, args, options);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kMonitorFd, kSerialFd};
  std::vector<int> fds{monitor.get(), serial.get()};
  if (from) {
    spawn.fd_targets.push_back(kStateFd);
    fds.push_back(from->memory);
  }
  spawn.console_connect = args.run_dir + "/" + kSerial;
  call.progress("spawn");
  QARAX_CHECK(host_.spawn(&call, spawn, fds));
  // Close the plugin's copies, so that a dying QEMU shows as a hang-up and not as a socket that nobody answers.
  monitor.close();
  serial.close();
  call.progress("monitor");
  if (from) QARAX_CHECK(thaw(call, args, *from));
  QARAX_TRY(Monitors::Lease qmp, monitors_.ask(call, args.run_dir, kGreetingMs));
  QARAX_CHECK(qmp->cont(call));
  note_first_run(args.run_dir);
  call.progress("running", 1, 1);
  if (from) return seen(call, *qmp, plugin::vm_of(args), handle);
  return alive("running", handle, boot_sizes(args.spec));
}

}  // namespace qarax::qemu
