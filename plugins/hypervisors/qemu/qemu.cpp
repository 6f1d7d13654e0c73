#include "qemu.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>

namespace qarax::qemu {

namespace {

constexpr int kMonitorFd = 10;  // their numbers inside QEMU
constexpr int kSerialFd = 11;
constexpr int kQmpMs = 10'000;  // QEMU answers in under a millisecond; under heavy load its main loop may starve
constexpr int kGreetingMs = 30'000;
constexpr std::int64_t kPressAgainMs = 1'000;
constexpr std::int64_t kHandleFormat = 1;
constexpr std::int64_t kVmmOverhead = 48LL
                                      << 20;  // QEMU 7.2's own memory beside the guest's, PSS of a q35 VM rounded up

Settings parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

std::string find_binary(const Settings& settings, std::string& why_not) {
  if (!settings.binary.empty()) {
    if (settings.binary.front() == '/' && ::access(settings.binary.c_str(), X_OK) == 0) return settings.binary;
    why_not = "the configured QEMU " + settings.binary + " can't be run; correct `binary` in the plugin's config";
    return {};
  }
  for (const char* path : {"/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"})
    if (::access(path, X_OK) == 0) return path;
  why_not =
      "there is no qemu-system-x86_64 in /usr/bin or /usr/local/bin; install it (apt-get install qemu-system-x86), or "
      "set `binary` in the plugin's config";
  return {};
}

// "QEMU emulator version 7.2.22 (Debian …)" → 7.2.22. Loading QEMU takes 40 ms, so the answer is kept for as long as
// the program is the same: an agent's restart doesn't pay for it.
std::string ask_version(plugin::Host& host, const std::string& binary, const std::string& state_dir) {
  if (binary.empty()) return {};
  const std::string cache = state_dir.empty() ? "" : state_dir + "/qemu-version";
  const std::string key = fingerprint(binary);
  std::string kept_key;
  std::string version;
  if (std::ifstream kept(cache); std::getline(kept, kept_key) && kept_key == key && std::getline(kept, version))
    return version;
  RunArgs run;
  run.argv = {binary, "--version"};
  const auto result = host.run(nullptr, run, 5000);
  if (!result) return {};
  constexpr std::string_view kMark = "version ";
  const std::size_t at = result->output.find(kMark);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kMark.size();
  version = result->output.substr(begin, result->output.find_first_of(" \n", begin) - begin);
  if (!cache.empty()) std::ofstream(cache, std::ios::trunc) << key << '\n' << version << '\n';
  return version;
}

std::string last_line(const std::string& log) {
  const std::size_t end = log.find_last_not_of(" \r\n");
  if (end == std::string::npos) return {};
  const std::size_t begin = log.rfind('\n', end);
  return log.substr(begin == std::string::npos ? 0 : begin + 1, end + 1 - (begin == std::string::npos ? 0 : begin + 1));
}

VmArgs args_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

}  // namespace

Qemu::Qemu(plugin::Host& host, const CreateArgs& args)
    : host_(host),
      settings_(parse(args)),
      binary_(find_binary(settings_, no_binary_)),
      version_(ask_version(host, binary_, args.state_dir)),
      accelerator_(host, settings_, binary_, args.state_dir) {}

Result<Description> Qemu::describe(plugin::Call&) {
  const Verdict verdict = accelerator_.now();
  Description out;
  out.vmm_path = binary_;
  out.vmm_version = version_;
  out.accelerator = verdict.accelerator;
  out.accelerator_evidence = verdict.evidence;
  out.features = {"pause", "reboot", "counters", "console"};
  out.boot_modes = {"kernel", "pvh"};
  out.limits.max_vcpus = 255;
  out.limits.vmm_overhead = kVmmOverhead;
  out.options_schema.text = kVmOptionsSchema;
  if (binary_.empty()) {
    out.healthy = false;
    out.health_reason = no_binary_;
  } else if (verdict.accelerator.empty()) {
    out.healthy = false;
    out.health_reason = "the node's config demands KVM: " + verdict.evidence;
  }
  return out;
}

Result<VmSpec> Qemu::resolve(plugin::Call& call, const ResolveArgs& args) {
  VmSpec spec = args.spec;
  if (spec.max_vcpus < spec.boot_vcpus) spec.max_vcpus = spec.boot_vcpus;
  QARAX_CHECK(vm_options(spec));
  QARAX_TRY(const Verdict verdict, accelerator_.settled(call));
  auto problems = unsupported(spec, verdict.accelerator);
  if (problems.empty()) return spec;
  Error error =
      make_error(Code::invalid_argument,
                 "QEMU can't run this VM: " + problems.front().pointer + ": " + problems.front().detail, "validation");
  error.details = std::move(problems);
  return error;
}

VmStatus Qemu::alive(VmState state) const {
  const Verdict verdict = accelerator_.now();
  VmStatus status;
  status.state = state;
  status.accelerator = verdict.accelerator;
  status.accelerator_evidence = verdict.evidence;
  if (state == VmState::running) status.can = {"pause", "reboot", "stop"};
  if (state == VmState::paused) status.can = {"resume", "stop"};
  return status;
}

VmStatus Qemu::ended(const Process& process) const {
  VmStatus status;
  status.state = VmState::shutdown;
  status.exit = process.exit;
  if (!process.exit) return status;
  const ExitInfo& exit = *process.exit;
  if (exit.kind == ExitKind::exited && exit.code == 0)
    status.status_reason = "the guest powered off";
  else if (exit.kind == ExitKind::exited)
    status.status_reason = "QEMU exited with code " + std::to_string(exit.code) +
                           (exit.log_tail.empty() ? "" : ": " + last_line(exit.log_tail));
  else if (exit.kind == ExitKind::signaled)
    status.status_reason = "QEMU was killed by signal " + std::to_string(exit.signal);
  else
    status.status_reason = "QEMU is gone and nothing recorded how it ended (supervisor lost)";
  return status;
}

Result<VmStatus> Qemu::start(plugin::Call& call, const StartArgs& args) {
  if (binary_.empty()) return make_error(Code::failed_precondition, no_binary_, "hypervisor-unavailable");
  if (args.boot.kernel.empty())
    return make_error(
        Code::failed_precondition,
        "the VM names no boot source and this node has no default kernel; set boot.kernel in the node's config",
        "boot-files-missing");
  QARAX_TRY(const Verdict verdict, accelerator_.settled(call));
  if (verdict.accelerator.empty())
    return make_error(Code::failed_precondition, "the node's config demands KVM: " + verdict.evidence,
                      "hypervisor-unavailable");
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive)
    return look(call, args_of(args));
  auto started = launch(call, args, verdict);
  if (started) return started;
  // A start that failed leaves nothing: no process, no socket that another start would stumble over.
  Error error = std::move(started).error();
  static_cast<void>(host_.kill(nullptr, {args.vm, args.incarnation}));
  if (const auto process = host_.find(nullptr, {args.vm, args.incarnation});
      process && process->exit && error.log_tail.empty()) {
    error.log_tail = process->exit->log_tail;
    if (error.code == Code::unavailable && !error.log_tail.empty()) {
      error.code = Code::internal;
      error.message = "QEMU ended during its start: " + last_line(error.log_tail);
    }
  }
  if (error.reason.empty() && error.code != Code::cancelled && error.code != Code::deadline_exceeded)
    error.reason = "vmm-failed";
  for (const char* name : {"monitor.sock", "serial.sock"}) {
    ::unlink((args.run_dir + "/" + name).c_str());
    static_cast<void>(host_.release(nullptr, {args.vm, "socket", args.run_dir + "/" + name}));
  }
  return error;
}

Result<VmStatus> Qemu::launch(plugin::Call& call, const StartArgs& args, const Verdict& verdict) {
  QARAX_TRY(const VmOptions options, vm_options(args.spec));
  QARAX_CHECK(call.keep("{\"format\":" + std::to_string(kHandleFormat) + "}"));
  for (const char* name : {"monitor.sock", "serial.sock"})
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  QARAX_TRY(Socket monitor, listen_unix(args.run_dir, "monitor.sock"));
  QARAX_TRY(Socket serial, listen_unix(args.run_dir, "serial.sock"));

  const ArgvInput input{binary_, verdict.accelerator, settings_.machine, settings_.sandbox, kMonitorFd, kSerialFd};
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(input, args, options);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kMonitorFd, kSerialFd};
  spawn.console_connect = args.run_dir + "/serial.sock";
  call.progress("spawn", 1, 3);
  QARAX_CHECK(host_.spawn(&call, spawn, {monitor.get(), serial.get()}));
  // Ours are closed now: a QEMU that dies must show as a hang-up, not as a socket that nobody answers.
  monitor.close();
  serial.close();
  call.progress("monitor", 2, 3);
  QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kGreetingMs));
  QARAX_CHECK(qmp.cont(call));
  call.progress("running", 3, 3);
  return alive(VmState::running);
}

Status Qemu::check_handle(const VmArgs& args) const {
  const auto handle = json::parse(args.handle.text);
  const auto* format = handle ? handle->find("format") : nullptr;
  if (format == nullptr || format->as_int() == nullptr)
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of this plugin");
  if (*format->as_int() > kHandleFormat)
    return make_error(Code::failed_precondition, "VM " + args.vm +
                                                     " was started by a newer qemu plugin (handle format " +
                                                     std::to_string(*format->as_int()) + "); upgrade this one");
  return Ok{};
}

Result<VmStatus> Qemu::look(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return ended(process);
  auto qmp = QmpClient::connect(call, args.run_dir, kQmpMs);
  Result<std::string> said = qmp ? qmp->query_status(call) : Result<std::string>(std::move(qmp).error());
  if (!said) {
    // It may have ended while it was asked.
    if (const auto again = host_.find(&call, {args.vm, args.incarnation}); again && !again->alive) return ended(*again);
    return std::move(said).error();
  }
  if (*said == "running") return alive(VmState::running);
  VmStatus status = alive(VmState::paused);
  if (*said == "io-error") status.status_reason = "QEMU paused the VM after an I/O error";
  if (*said == "internal-error") status.status_reason = "QEMU paused the VM after an internal error";
  if (*said == "guest-panicked") status.status_reason = "the guest panicked";
  if (*said == "prelaunch") status.status_reason = "its start was interrupted before the guest ran";
  if (*said == "shutdown") status.status_reason = "the guest has powered off and QEMU is ending";
  return status;
}

Result<VmStatus> Qemu::inspect(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  return look(call, args);
}

Result<VmStatus> Qemu::recover(plugin::Call& call, const VmArgs& args) {
  const bool kept = args.handle.text != "null";
  if (kept) QARAX_CHECK(check_handle(args));
  auto status = look(call, args);
  const bool interrupted =
      status && status->state == VmState::paused && status->status_reason.starts_with("its start was interrupted");
  if (kept && status && !interrupted) return status;
  if (kept && !status && status.error().code != Code::not_found && status.error().code != Code::unavailable)
    return status;
  if (kept && !status && status.error().code == Code::unavailable) {
    // The monitor is gone and QEMU isn't: its socket was removed by somebody. Nothing is known, nothing is killed.
    if (const auto process = host_.find(&call, {args.vm, args.incarnation}); process && process->alive) return status;
  }
  // A start was broken off before the guest ran a single instruction: it is undone.
  QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
  for (const char* name : {"monitor.sock", "serial.sock"}) {
    ::unlink((args.run_dir + "/" + name).c_str());
    static_cast<void>(host_.release(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  }
  VmStatus undone;
  undone.state = VmState::shutdown;
  undone.status_reason = "its start was interrupted and undone";
  return undone;
}

Result<VmStatus> Qemu::stop(plugin::Call& call, const StopArgs& args) {
  const ProcessArgs process{args.vm.vm, args.vm.incarnation};
  const auto found = host_.find(&call, process);
  if (!found && found.error().code == Code::not_found) {
    VmStatus status;
    status.state = VmState::shutdown;
    return status;
  }
  if (found && !found->alive) return ended(*found);
  bool pressed = false;
  if (args.mode == StopMode::graceful) {
    if (auto qmp = QmpClient::connect(call, args.vm.run_dir, kQmpMs)) {
      // A paused guest can't hear the button.
      const auto said = qmp->query_status(call);
      pressed = said && *said == "running" && qmp->system_powerdown(call);
    }
  }
  // A guest that still boots doesn't hear the button; it is pressed again until it does.
  const std::int64_t until = plugin::monotonic_ns() + args.timeout_ms * 1'000'000;
  while (pressed) {
    const std::int64_t left = (until - plugin::monotonic_ns()) / 1'000'000;
    const auto gone = host_.wait(&call, process, std::max<std::int64_t>(0, std::min(left, kPressAgainMs)));
    if (gone && !gone->alive) return ended(*gone);
    if (!gone && gone.error().code != Code::deadline_exceeded) return std::move(gone).error();
    if (left <= kPressAgainMs || call.expired()) {
      host_.log(plugin::LogLevel::warn, "the guest ignored the power button, killing it vm=" + args.vm.vm);
      break;
    }
    if (auto qmp = QmpClient::connect(call, args.vm.run_dir, kQmpMs)) static_cast<void>(qmp->system_powerdown(call));
  }
  QARAX_CHECK(host_.kill(&call, process));
  QARAX_TRY(const Process last, host_.find(&call, process));
  VmStatus status = ended(last);
  status.status_reason = pressed
                             ? "killed: the guest did not power off within " + std::to_string(args.timeout_ms) + " ms"
                             : "killed on request";
  return status;
}

Result<VmStatus> Qemu::pause(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kQmpMs));
  QARAX_CHECK(qmp.stop(call));
  return alive(VmState::paused);
}

Result<VmStatus> Qemu::resume(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kQmpMs));
  QARAX_CHECK(qmp.cont(call));
  return alive(VmState::running);
}

Result<VmStatus> Qemu::reboot(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(QmpClient qmp, QmpClient::connect(call, args.run_dir, kQmpMs));
  QARAX_CHECK(qmp.system_reset(call));
  return alive(VmState::running);
}

Result<Counters> Qemu::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(check_handle(args));
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " doesn't run");
  std::ifstream stat("/proc/" + std::to_string(process.pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::size_t at = text.rfind(')');
  if (at == std::string::npos) return make_error(Code::unavailable, "VM " + args.vm + " has just ended");
  // After the name: field 3 is the state; 14 and 15 are user and system time, 24 is the resident set in pages.
  std::vector<std::int64_t> fields;
  const char* cursor = text.c_str() + at + 3;
  char* end = nullptr;
  for (int i = 4; i <= 24; ++i) {
    fields.push_back(std::strtoll(cursor, &end, 10));
    cursor = end;
  }
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  Counters out;
  out.counters.push_back({"cpu.time", (fields[10] + fields[11]) * tick_ns, "ns"});
  out.counters.push_back({"memory.resident", fields[20] * ::sysconf(_SC_PAGESIZE), "bytes"});
  return out;
}

}  // namespace qarax::qemu
