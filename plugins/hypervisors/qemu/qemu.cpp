#include "qemu.hpp"

#include "devices.hpp"
#include "first_run.hpp"
#include "hotplug.hpp"
#include "text.hpp"
#include "vmm_life.hpp"

namespace qarax::qemu {

namespace {

// QEMU 7.2's own memory beside the guest's, PSS of a q35 VM rounded up.
constexpr std::int64_t kVmmOverhead = 48LL << 20;
constexpr std::string_view kDemandsKvm = "the node's config demands KVM";

}  // namespace

Qemu::Qemu(plugin::Host& host, const CreateArgs& args, int undo_ms, int poll_ms, int cancelled_ms)
    : host_(host),
      settings_(plugin::settings_or_throw<Settings>(args)),
      undo_ms_(undo_ms),
      poll_ms_(poll_ms),
      cancelled_ms_(cancelled_ms),
      state_dir_(args.state_dir),
      vmm_(std::make_shared<Vmm>(host, settings_, state_dir_, nullptr)) {}

Qemu::Vmm::Vmm(plugin::Host& host, const Settings& settings, const std::string& state_dir, const plugin::Call* call)
    : seen(program_fingerprint(settings)),
      program(find_program(host, settings, state_dir, call)),
      accelerator(host, settings.accelerator, trial_plan(settings, program), state_dir) {
  if (settings.sandbox && !program.path.empty() && !program.can_sandbox)
    host.log(plugin::LogLevel::warn, "this QEMU has no seccomp sandbox, its VMs run without path=" + program.path);
}

Program Qemu::program() const {
  const auto vmm = vmm_.get();
  const std::lock_guard lock(program_mutex_);
  return vmm->program;
}

std::shared_ptr<Qemu::Vmm> Qemu::look_for_vmm(const plugin::Call& call) {
  const auto before = vmm_.get();
  auto now = vmm_.renewed(
      call, [&](const Vmm& vmm) { return program_fingerprint(settings_) != vmm.seen; },
      [&] { return std::make_shared<Vmm>(host_, settings_, state_dir_, &call); });
  if (now != before) host_.notify("");
  return now;
}

Result<Program> Qemu::known_program(plugin::Call& call) {
  const auto vmm = look_for_vmm(call);
  Program now = program();
  if (now.path.empty() || now.unanswered.empty()) return now;
  now = find_program(host_, settings_, state_dir_, &call);
  if (!now.unanswered.empty())
    return make_error(Code::unavailable, now.unanswered + "; until it answers, no VM's machine can be frozen");
  {
    const std::lock_guard lock(program_mutex_);
    vmm->program = now;
  }
  host_.notify("");
  return now;
}

Result<Description> Qemu::describe(plugin::Call& call) {
  const Verdict verdict = look_for_vmm(call)->accelerator.now();
  const Program program = this->program();
  Description out;
  out.vmm_path = program.path;
  out.vmm_version = program.version;
  out.accelerator = verdict.accelerator;
  out.accelerator_evidence = verdict.evidence;
  out.features = {"pause", "reboot", "resize", "snapshot", "disks", "disk-resize", "nics", "counters", "console"};
  out.boot_modes = {"kernel", "pvh"};
  out.limits.max_vcpus = kMaxVcpus;
  out.limits.vmm_overhead = kVmmOverhead;
  out.options_schema.text = kVmOptionsSchema;
  if (program.path.empty()) {
    out.healthy = false;
    out.health_reason = program.why_not;
  } else if (settings_.accelerator == plugin::AcceleratorChoice::kvm) {
    plugin::say_health(out, verdict, std::string(kDemandsKvm));
  }
  return out;
}

Error Qemu::demands_kvm(const Verdict& verdict) {
  return make_error(Code::failed_precondition, std::string(kDemandsKvm) + ": " + verdict.evidence,
                    "hypervisor-unavailable");
}

Status Qemu::check(const VmSpec& spec, const Verdict& verdict) const {
  // Where none can be used, the start says so; the spec isn't to blame.
  const std::string accelerator = verdict.accelerator.empty() ? "kvm" : verdict.accelerator;
  auto problems = unsupported(spec, accelerator, spec.memory_hugepages ? look_at_huge_pages() : HugePages{});
  return problems.empty() ? Status(Ok{}) : plugin::invalid("QEMU can't run this VM", std::move(problems));
}

Result<VmSpec> Qemu::resolve(plugin::Call& call, const ResolveArgs& args) {
  VmSpec spec = args.spec;
  if (spec.max_vcpus < spec.boot_vcpus) spec.max_vcpus = spec.boot_vcpus;
  QARAX_TRY(VmOptions options, vm_options(spec));
  Verdict verdict{"kvm", ""};
  if (spec.kvm_hyperv) {
    QARAX_TRY(verdict, vmm_.get()->accelerator.settled(call));
  }
  QARAX_CHECK(check(spec, verdict));
  if (options.machine.empty()) options.machine = settings_.machine;
  if (options.machine == "q35" || options.machine == "pc") {
    // Frozen as it stands now, an alias would be another machine after QEMU's next upgrade.
    QARAX_TRY(const Program program, known_program(call));
    const std::string& version = options.machine == "q35" ? program.q35 : program.pc;
    if (!version.empty()) options.machine = version;
  }
  // Frozen with the machine: a later default must not change the guest's hardware.
  if (!options.hotplug) options.hotplug = settings_.hotplug;
  spec.config.text = encode(options);
  return spec;
}

Error Qemu::why_not(plugin::Call& call, const VmArgs& args, Error error) {
  if (const auto process = host_.find(&call, {args.vm, args.incarnation}); process && !process->alive)
    return make_error(Code::failed_precondition,
                      "VM " + args.vm + " has ended: " + gone(args, *process, nullptr).status_reason);
  // The VM is there, so "not found" would mislead: it is its monitor that can't be reached.
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
}

VmStatus Qemu::gone(const VmArgs& args, const Process& process, const Handle* handle) {
  monitors_.forget(args.run_dir);
  return ended(process, handle);
}

Result<VmStatus> Qemu::look(plugin::Call& call, const VmArgs& args, const Handle& handle) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return gone(args, process, &handle);
  auto qmp = monitors_.ask(call, args.run_dir, kQmpMs);
  auto said = qmp ? seen(call, **qmp, args, handle) : Result<VmStatus>(std::move(qmp).error());
  if (said) return said;
  // It may have ended while it was asked.
  if (const auto again = host_.find(&call, {args.vm, args.incarnation}); again && !again->alive)
    return gone(args, *again, &handle);
  Error error = std::move(said).error();
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
}

Result<VmStatus> Qemu::seen(plugin::Call& call, QmpClient& qmp, const VmArgs& args, const Handle& handle) {
  QARAX_TRY(const std::string said, ask_state(call, qmp, args.run_dir));
  QARAX_TRY(const auto now, sizes_now(call, qmp, handle));
  return alive(said, handle, now);
}

Result<VmStatus> Qemu::inspect(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return look(call, args, handle);
}

Result<VmStatus> Qemu::recover(plugin::Call& call, const VmArgs& args) {
  if (args.handle.text != "null") {
    QARAX_TRY(const Handle handle, read_handle(args));
    const auto process = host_.find(&call, {args.vm, args.incarnation});
    // A handle is kept before anything is spawned. Nothing spawned, or a supervisor that is about to: only a start
    // whose agent died in the middle leaves that. Any other error leaves the VM alone: what can't be asked may run
    // well.
    const Code found = process ? Code::ok : process.error().code;
    if (found != Code::ok && found != Code::not_found && found != Code::unavailable) return process.error();
    if (found == Code::ok) {
      auto status = look(call, args, handle);
      const bool guest_never_ran = status && is_prelaunch(*status);
      if (status && status->state == VmState::paused && !guest_never_ran) QARAX_CHECK(drop_stream(call, args));
      // The agent may have died between the guest's first instruction and the note of it.
      if (status && status->state == VmState::running) note_first_run(args.run_dir);
      if (!guest_never_ran) return status;
    }
  }
  // The start was broken off before the guest ran a single instruction: it is undone.
  monitors_.forget(args.run_dir);
  return plugin::undo_interrupted_start(host_, kind(), call, args);
}

Result<VmStatus> Qemu::stop(plugin::Call& call, const StopArgs& args) {
  const auto handle = read_handle(args.vm);
  QARAX_CHECK(plugin::may_stop(args, handle));
  plugin::PowerButton button;
  button.running = "running";
  button.state = [&]() -> Result<std::string> {
    QARAX_TRY(Monitors::Lease qmp, monitors_.ask(call, args.vm.run_dir, kQmpMs));
    return ask_state(call, *qmp, args.vm.run_dir);
  };
  button.press = [&]() -> Status {
    QARAX_TRY(Monitors::Lease qmp, monitors_.ask(call, args.vm.run_dir, kQmpMs));
    return qmp->system_powerdown(call);
  };
  QARAX_TRY(VmStatus status, plugin::stop_vmm(host_, kind(), call, args, button));
  monitors_.forget(args.vm.run_dir);
  // A VM without a handle has to be endable too.
  if (handle && status.exit) {
    status.accelerator = handle->accelerator;
    status.accelerator_evidence = handle->evidence;
  }
  return status;
}

Result<VmStatus> Qemu::pause(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return with_monitor(call, args, [&](QmpClient& qmp) -> Result<VmStatus> {
    QARAX_CHECK(qmp.stop(call));
    QARAX_TRY(const auto now, sizes_now(call, qmp, handle));
    return alive("paused", handle, now);
  });
}

Result<VmStatus> Qemu::resume(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return with_monitor(call, args, [&](QmpClient& qmp) -> Result<VmStatus> {
    QARAX_CHECK(qmp.cont(call));
    note_first_run(args.run_dir);  // of a VM that an older plugin started and paused
    QARAX_TRY(const auto now, sizes_now(call, qmp, handle));
    return alive("running", handle, now);
  });
}

Result<VmStatus> Qemu::reboot(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return with_monitor(call, args, [&](QmpClient& qmp) -> Result<VmStatus> {
    QARAX_CHECK(qmp.system_reset(call));
    // A reset doesn't resume what is paused.
    return seen(call, qmp, args, handle);
  });
}

Result<Counters> Qemu::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(read_handle(args));
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " doesn't run");
  return plugin::counters_of(process.pid, args.vm);
}

}  // namespace qarax::qemu
