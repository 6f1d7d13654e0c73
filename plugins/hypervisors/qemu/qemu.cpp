#include "qemu.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace qarax::qemu {

namespace {

constexpr int kMonitorFd = 10;  // their numbers inside QEMU
constexpr int kSerialFd = 11;
constexpr int kQmpMs = 10'000;  // QEMU answers in under a millisecond; under heavy load its main loop may starve
constexpr int kGreetingMs = 30'000;
constexpr std::int64_t kPressAgainMs = 1'000;
constexpr std::int64_t kHangUpMs = 1'000;
constexpr std::int64_t kCleanUpMs = 10'000;
// QEMU 7.2's own memory beside the guest's, PSS of a q35 VM rounded up.
constexpr std::int64_t kVmmOverhead = 48LL << 20;
constexpr const char* kSockets[] = {"monitor.sock", "serial.sock"};

Settings parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

VmArgs args_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

Error demands_kvm(const Verdict& verdict) {
  return make_error(Code::failed_precondition, "the node's config demands KVM: " + verdict.evidence,
                    "hypervisor-unavailable");
}

// A call of our own, for what has to be done although the caller's time is up or it has cancelled.
class OwnCall {
 public:
  explicit OwnCall(std::int64_t ms) {
    raw_.size = sizeof raw_;
    raw_.cancel_fd = -1;
    raw_.deadline_ns = plugin::monotonic_ns() + ms * 1'000'000;
  }
  const plugin::Call* get() const { return &call_; }

 private:
  qarax_call raw_{};
  plugin::Call call_{&raw_};
};

}  // namespace

Qemu::Qemu(plugin::Host& host, const CreateArgs& args)
    : host_(host),
      settings_(parse(args)),
      program_(find_program(host, settings_, args.state_dir)),
      accelerator_(host, settings_, program_.path, args.state_dir) {
  if (settings_.sandbox && !program_.path.empty() && !program_.can_sandbox)
    host_.log(plugin::LogLevel::warn, "this QEMU has no seccomp sandbox, its VMs run without path=" + program_.path);
}

Result<Description> Qemu::describe(plugin::Call&) {
  const Verdict verdict = accelerator_.now();
  Description out;
  out.vmm_path = program_.path;
  out.vmm_version = program_.version;
  out.accelerator = verdict.accelerator;
  out.accelerator_evidence = verdict.evidence;
  out.features = {"pause", "reboot", "counters", "console"};
  out.boot_modes = {"kernel", "pvh"};
  out.limits.max_vcpus = kMaxVcpus;
  out.limits.vmm_overhead = kVmmOverhead;
  out.options_schema.text = kVmOptionsSchema;
  if (program_.path.empty()) {
    out.healthy = false;
    out.health_reason = program_.why_not;
  } else if (verdict.accelerator.empty()) {
    out.healthy = false;
    out.health_reason = demands_kvm(verdict).message;
  }
  return out;
}

Status Qemu::check(const VmSpec& spec, const Verdict& verdict) const {
  // Where none can be used, the start says so; the spec isn't to blame.
  const std::string accelerator = verdict.accelerator.empty() ? "kvm" : verdict.accelerator;
  auto problems = unsupported(spec, accelerator, spec.memory_hugepages ? look_at_huge_pages() : HugePages{});
  if (problems.empty()) return Ok{};
  Error error =
      make_error(Code::invalid_argument,
                 "QEMU can't run this VM: " + problems.front().pointer + ": " + problems.front().detail, "validation");
  error.details = std::move(problems);
  return error;
}

Result<VmSpec> Qemu::resolve(plugin::Call& call, const ResolveArgs& args) {
  VmSpec spec = args.spec;
  if (spec.max_vcpus < spec.boot_vcpus) spec.max_vcpus = spec.boot_vcpus;
  QARAX_TRY(VmOptions options, vm_options(spec));
  Verdict verdict{"kvm", ""};
  if (spec.kvm_hyperv) {
    QARAX_TRY(verdict, accelerator_.settled(call));
  }
  QARAX_CHECK(check(spec, verdict));
  if (options.machine.empty()) options.machine = settings_.machine;
  if (options.machine == "q35" && !program_.q35.empty()) options.machine = program_.q35;
  if (options.machine == "pc" && !program_.pc.empty()) options.machine = program_.pc;
  spec.config.text = encode(options);
  return spec;
}

Result<VmStatus> Qemu::start(plugin::Call& call, const StartArgs& args) {
  if (program_.path.empty()) return make_error(Code::failed_precondition, program_.why_not, "hypervisor-unavailable");
  if (args.boot.kernel.empty())
    return make_error(
        Code::failed_precondition,
        "the VM names no boot source and this node has no default kernel; set boot.kernel in the node's config",
        "boot-files-missing");
  QARAX_TRY(const Verdict verdict, accelerator_.settled(call));
  if (verdict.accelerator.empty()) return demands_kvm(verdict);
  QARAX_TRY(const VmOptions options, vm_options(args.spec));
  Handle handle;
  handle.vmm = "qemu";
  handle.accelerator = verdict.accelerator;
  handle.evidence = verdict.evidence;
  handle.machine = options.machine.empty() ? settings_.machine : options.machine;
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive) {
    QARAX_TRY(VmStatus status, look(call, args_of(args), handle));
    if (!is_prelaunch(status)) return status;
    // Spawned by a start that was broken off before its guest ran: this one finishes it.
    QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kQmpMs));
    QARAX_CHECK(qmp.cont(call));
    return alive("running", handle);
  }
  QARAX_CHECK(check(args.spec, verdict));
  auto started = launch(call, args, handle);
  if (started) return started;
  return undo(args, std::move(started).error());
}

Result<VmStatus> Qemu::launch(plugin::Call& call, const StartArgs& args, const Handle& handle) {
  QARAX_TRY(const VmOptions options, vm_options(args.spec));
  QARAX_CHECK(call.keep(encode(handle, Defaults::write)));
  for (const char* name : kSockets) QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  QARAX_TRY(Socket monitor, listen_unix(args.run_dir, kSockets[0]));
  QARAX_TRY(Socket serial, listen_unix(args.run_dir, kSockets[1]));

  ArgvInput input;
  input.binary = program_.path;
  input.accelerator = handle.accelerator;
  input.machine = settings_.machine;
  input.sandbox = settings_.sandbox && program_.can_sandbox;
  input.tcg_tb_size_mib = settings_.tcg_tb_size_mib;
  input.monitor_fd = kMonitorFd;
  input.serial_fd = kSerialFd;
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(input, args, options);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kMonitorFd, kSerialFd};
  spawn.console_connect = args.run_dir + "/" + kSockets[1];
  call.progress("spawn", 1, 3);
  QARAX_CHECK(host_.spawn(&call, spawn, {monitor.get(), serial.get()}));
  // Ours are closed now: a QEMU that dies must show as a hang-up, not as a socket that nobody answers.
  monitor.close();
  serial.close();
  call.progress("monitor", 2, 3);
  QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kGreetingMs));
  QARAX_CHECK(qmp.cont(call));
  call.progress("running", 3, 3);
  return alive("running", handle);
}

Error Qemu::undo(const StartArgs& args, Error why) {
  const OwnCall own(kCleanUpMs);
  const ProcessArgs id{args.vm, args.incarnation};
  // A hang-up is seen a little before the end of the process that causes it.
  const auto before = why.code == Code::unavailable ? host_.wait(own.get(), id, kHangUpMs) : host_.find(own.get(), id);
  const bool died = before && !before->alive;
  if (auto killed = host_.kill(own.get(), id); !killed)
    why.message += "; and its process could not be ended: " + killed.error().message;
  if (const auto process = host_.find(own.get(), id); process && process->exit && why.log_tail.empty())
    why.log_tail = process->exit->log_tail;
  if (died) {
    // The monitor's hang-up is only how it was noticed.
    why.code = Code::internal;
    why.message = "QEMU ended during the start of VM " + args.vm + ": " + ended(*before, nullptr).status_reason;
    why.reason = "vmm-failed";
  } else if (why.reason.empty() && why.code != Code::cancelled && why.code != Code::deadline_exceeded) {
    why.reason = "vmm-failed";
  }
  remove_sockets(args.vm, args.run_dir);
  return why;
}

void Qemu::remove_sockets(const std::string& vm, const std::string& run_dir) {
  const OwnCall own(kCleanUpMs);
  for (const char* name : kSockets) {
    ::unlink((run_dir + "/" + name).c_str());
    static_cast<void>(host_.release(own.get(), {vm, "socket", run_dir + "/" + name}));
  }
}

Result<QmpClient> Qemu::monitor_of(plugin::Call& call, const VmArgs& args) {
  auto qmp = QmpClient::connect(call, args.run_dir, kQmpMs);
  if (qmp) return qmp;
  if (const auto process = host_.find(&call, {args.vm, args.incarnation}); process && !process->alive)
    return make_error(Code::failed_precondition,
                      "VM " + args.vm + " has ended: " + ended(*process, nullptr).status_reason);
  Error error = std::move(qmp).error();
  // The VM is there, so "not found" would mislead: it is its monitor that can't be reached.
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
}

Result<VmStatus> Qemu::look(plugin::Call& call, const VmArgs& args, const Handle& handle) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return ended(process, &handle);
  auto qmp = QmpClient::connect(call, args.run_dir, kQmpMs);
  Result<std::string> said = qmp ? qmp->query_status(call) : Result<std::string>(std::move(qmp).error());
  if (said) return alive(*said, handle);
  // It may have ended while it was asked.
  if (const auto again = host_.find(&call, {args.vm, args.incarnation}); again && !again->alive)
    return ended(*again, &handle);
  Error error = std::move(said).error();
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
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
      if (!guest_never_ran) return status;
    }
  }
  // The start was broken off before the guest ran a single instruction: it is undone.
  QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
  remove_sockets(args.vm, args.run_dir);
  VmStatus undone;
  undone.state = VmState::shutdown;
  undone.status_reason = "its start was interrupted and undone";
  return undone;
}

Result<VmStatus> Qemu::stop(plugin::Call& call, const StopArgs& args) {
  const ProcessArgs process{args.vm.vm, args.vm.incarnation};
  const auto kept = read_handle(args.vm);  // a VM without one has to be endable too
  const Handle* handle = kept ? &*kept : nullptr;
  const auto found = host_.find(&call, process);
  if (!found && found.error().code == Code::not_found) {
    VmStatus status;
    status.state = VmState::shutdown;
    return status;
  }
  if (found && !found->alive) return ended(*found, handle);
  std::string why = "killed on request";
  if (args.mode == StopMode::graceful) {
    QARAX_TRY(Pressed pressed, press_button(call, args, handle));
    if (pressed.status) return std::move(*pressed.status);
    why = std::move(pressed.why);
  }
  QARAX_CHECK(host_.kill(&call, process));
  QARAX_TRY(const Process last, host_.find(&call, process));
  VmStatus status = ended(last, handle);
  // It may have gone by itself before the kill came.
  if (last.exit && last.exit->kind == ExitKind::signaled) status.status_reason = why;
  return status;
}

Result<Qemu::Pressed> Qemu::press_button(plugin::Call& call, const StopArgs& args, const Handle* handle) {
  Pressed out;
  {
    auto qmp = QmpClient::connect(call, args.vm.run_dir, kQmpMs);
    auto said = qmp ? qmp->query_status(call) : Result<std::string>(qmp.error());
    if (!said && (said.error().code == Code::cancelled || call.expired())) return std::move(said).error();
    if (!said) {
      out.why = "killed: QEMU's monitor could not be asked for a power-off: " + said.error().message;
      return out;
    }
    if (*said != "running") {
      out.why = "killed at once: a guest that is " + *said + " can't hear the power button";
      return out;
    }
    QARAX_CHECK(qmp->system_powerdown(call));
  }
  // A guest that still boots doesn't hear the button; it is pressed again until it does.
  const std::int64_t until = plugin::monotonic_ns() + args.timeout_ms * 1'000'000;
  for (;;) {
    const std::int64_t left = std::max<std::int64_t>(0, (until - plugin::monotonic_ns()) / 1'000'000);
    const auto gone = host_.wait(&call, {args.vm.vm, args.vm.incarnation}, std::min(left, kPressAgainMs));
    if (gone && !gone->alive) {
      out.status = ended(*gone, handle);
      return out;
    }
    if (!gone && gone.error().code != Code::deadline_exceeded) return gone.error();
    if (plugin::monotonic_ns() >= until) break;
    // The guest was promised its whole time: a caller that has less leaves it running.
    if (call.expired())
      return make_error(Code::deadline_exceeded, "the guest has been asked to power off and hasn't yet");
    if (auto qmp = QmpClient::connect(call, args.vm.run_dir, kQmpMs)) static_cast<void>(qmp->system_powerdown(call));
  }
  host_.log(plugin::LogLevel::warn, "the guest ignored the power button, killing it vm=" + args.vm.vm);
  out.why = "killed: the guest did not power off within " + std::to_string(args.timeout_ms) + " ms";
  return out;
}

Result<VmStatus> Qemu::pause(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  QARAX_TRY(QmpClient qmp, monitor_of(call, args));
  QARAX_CHECK(qmp.stop(call));
  return alive("paused", handle);
}

Result<VmStatus> Qemu::resume(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  QARAX_TRY(QmpClient qmp, monitor_of(call, args));
  QARAX_CHECK(qmp.cont(call));
  return alive("running", handle);
}

Result<VmStatus> Qemu::reboot(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  QARAX_TRY(QmpClient qmp, monitor_of(call, args));
  QARAX_CHECK(qmp.system_reset(call));
  // A reset doesn't resume what is paused.
  QARAX_TRY(const std::string said, qmp.query_status(call));
  return alive(said, handle);
}

Result<Counters> Qemu::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(read_handle(args));
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " doesn't run");
  std::ifstream stat("/proc/" + std::to_string(process.pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  return process_counters(text, args.vm);
}

}  // namespace qarax::qemu
