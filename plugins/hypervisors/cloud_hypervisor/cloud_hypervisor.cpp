#include "cloud_hypervisor.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "text.hpp"
#include "unix_socket.hpp"
#include "vm_config.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr int kApiFd = 10;       // its number inside the VMM
constexpr int kApiMs = 10'000;   // it answers in milliseconds; under heavy load it may starve
constexpr int kBootMs = 30'000;  // vm.boot loads the kernel and faults the memory in where that was asked for
constexpr std::int64_t kHandleFormat = 1;
constexpr const char* kSerial = "serial.sock";
// Cloud Hypervisor's own memory beside the guest's, PSS of a VM without devices rounded up.
constexpr std::int64_t kVmmOverhead = 16LL << 20;

const plugin::VmmKind& kind() {
  static const plugin::VmmKind kKind{"Cloud Hypervisor", {kApiSocket, kSerial}};
  return kKind;
}

Settings parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

plugin::TrialPlan trial_plan(const Settings& settings, const Program& program) {
  plugin::TrialPlan plan;
  plan.limit_ms = settings.probe_timeout_ms;
  if (settings.trial == TrialChoice::skip)
    plan.why_not = "the plugin's config says trial: skip";
  else if (program.path.empty())
    plan.why_not = "there is no cloud-hypervisor to run one with";
  else if (settings.probe_kernel.empty())
    plan.why_not = "the node has no kernel to try (boot.kernel in its config)";
  if (!plan.why_not.empty()) return plan;
  plan.files = {program.path, settings.probe_kernel};
  plan.run.argv = build_argv(program.path, settings, -1);
  // Without an API socket: the guest of the command line is all that it shall run.
  plan.run.argv.erase(plan.run.argv.begin() + 1, plan.run.argv.begin() + 3);
  plan.run.argv.insert(plan.run.argv.end(),
                       {"--cpus", "boot=1", "--memory", "size=256M", "--serial", "tty", "--console", "off", "--kernel",
                        settings.probe_kernel, "--cmdline", "console=ttyS0 earlyprintk=ttyS0 panic=-1"});
  if (!settings.probe_initramfs.empty())
    plan.run.argv.insert(plan.run.argv.end(), {"--initramfs", settings.probe_initramfs});
  plan.run.until = "Linux version";
  return plan;
}

VmArgs args_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

Result<Handle> read_handle(const VmArgs& args) {
  return plugin::read_handle_as<Handle>(args, "cloud_hv", kHandleFormat);
}

VmStatus alive(const std::string& said, const Handle& handle) {
  VmStatus status;
  status.accelerator = "kvm";
  status.accelerator_evidence = handle.evidence;
  status.live.text = "{\"version\":" + json::to_text(json::Value(handle.version)) + "}";
  if (said == "Running") {
    status.state = VmState::running;
    status.can = {"pause", "reboot", "resize", "stop"};
  } else {
    status.state = VmState::paused;
    status.can = {"resume", "stop"};
    if (said != "Paused") {
      status.status_reason = "Cloud Hypervisor says " + json::repair_utf8(said.substr(0, 64));
      status.can = {"stop"};
    }
  }
  return status;
}

VmStatus ended(const Process& process, const Handle* handle) {
  VmStatus status = plugin::ended(kind(), process);
  if (handle == nullptr) return status;
  status.accelerator = "kvm";
  status.accelerator_evidence = handle->evidence;
  return status;
}

// A VMM in which no guest runs: its VM was never created or booted, or was shut down through the API by somebody else.
bool runs_no_guest(const Result<std::string>& said) {
  if (!said) return said.error().code == Code::not_found && said.error().reason == "vmm-refused";
  return *said == "Created" || *said == "Shutdown";
}

}  // namespace

CloudHypervisor::CloudHypervisor(plugin::Host& host, const CreateArgs& args)
    : host_(host),
      settings_(parse(args)),
      program_(find_program(host, settings_)),
      accelerator_(host, plugin::AcceleratorChoice::kvm, trial_plan(settings_, program_), args.state_dir) {}

Result<Description> CloudHypervisor::describe(plugin::Call&) {
  const plugin::Verdict verdict = accelerator_.now();
  Description out;
  out.vmm_path = program_.path;
  out.vmm_version = program_.text;
  out.accelerator = verdict.accelerator;
  out.accelerator_evidence = verdict.evidence;
  out.features = {"pause", "reboot", "resize", "counters", "console"};
  out.boot_modes = {"kernel", "pvh"};
  out.limits.max_vcpus = kMaxVcpus;
  out.limits.vmm_overhead = kVmmOverhead;
  out.options_schema.text = std::string(kVmOptionsSchema);
  if (program_.path.empty()) {
    out.healthy = false;
    out.health_reason = program_.why_not;
  } else if (verdict.accelerator.empty()) {
    out.healthy = false;
    out.health_reason = "Cloud Hypervisor needs KVM: " + verdict.evidence;
  }
  return out;
}

Result<VmSpec> CloudHypervisor::resolve(plugin::Call&, const ResolveArgs& args) {
  VmSpec spec = args.spec;
  if (spec.max_vcpus < spec.boot_vcpus) spec.max_vcpus = spec.boot_vcpus;
  auto problems = unsupported(spec);
  if (problems.empty()) return spec;
  Error error = make_error(
      Code::invalid_argument,
      "Cloud Hypervisor can't run this VM: " + problems.front().pointer + ": " + problems.front().detail, "validation");
  error.details = std::move(problems);
  return error;
}

Result<VmStatus> CloudHypervisor::start(plugin::Call& call, const StartArgs& args) {
  if (program_.path.empty()) return make_error(Code::failed_precondition, program_.why_not, "hypervisor-unavailable");
  if (args.boot.kernel.empty())
    return make_error(
        Code::failed_precondition,
        "the VM names no boot source and this node has no default kernel; set boot.kernel in the node's config",
        "boot-files-missing");
  QARAX_TRY(const plugin::Verdict verdict, accelerator_.settled(call));
  if (verdict.accelerator.empty())
    return make_error(Code::failed_precondition, "Cloud Hypervisor needs KVM: " + verdict.evidence,
                      "hypervisor-unavailable");
  const Handle handle{kHandleFormat, "cloud_hv", program_.text, verdict.evidence};
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive) {
    const auto said = ApiClient(args.run_dir, kApiMs).state(call);
    if (!runs_no_guest(said)) return look(call, args_of(args), handle);
    // Spawned by a start that was broken off before its guest ran: this one finishes it.
    return finish_start(call, args, handle);
  }
  if (auto checked = resolve(call, {args.spec}); !checked) return std::move(checked).error();
  auto started = launch(call, args, handle);
  if (started) return started;
  return plugin::undo_start(host_, kind(), args, std::move(started).error());
}

Result<VmStatus> CloudHypervisor::launch(plugin::Call& call, const StartArgs& args, const Handle& handle) {
  QARAX_CHECK(call.keep(encode(handle, Defaults::write)));
  for (const std::string& name : kind().sockets)
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  // The VMM makes this one itself, and refuses where something is in the way.
  ::unlink((args.run_dir + "/" + kSerial).c_str());
  QARAX_TRY(plugin::Socket api, plugin::listen_unix(args.run_dir, kApiSocket));
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(program_.path, settings_, kApiFd);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kApiFd};
  spawn.console_connect = args.run_dir + "/" + kSerial;
  call.progress("spawn", 1, 3);
  QARAX_CHECK(host_.spawn(&call, spawn, {api.get()}));
  // Ours is closed now: a VMM that dies must show as a hang-up, not as a socket that nobody answers.
  api.close();
  return finish_start(call, args, handle);
}

Result<VmStatus> CloudHypervisor::finish_start(plugin::Call& call, const StartArgs& args, const Handle& handle) {
  const ApiClient api(args.run_dir, kBootMs);
  call.progress("create", 2, 3);
  const auto said = api.state(call);
  if (!said && said.error().reason != "vmm-refused") return said.error();
  if (!said)
    QARAX_CHECK(api.create(call, build_vm_config(args, settings_, program_.version, args.run_dir + "/" + kSerial)));
  QARAX_CHECK(api.boot(call));
  call.progress("running", 3, 3);
  return alive("Running", handle);
}

Result<VmStatus> CloudHypervisor::look(plugin::Call& call, const VmArgs& args, const Handle& handle) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return ended(process, &handle);
  const auto said = ApiClient(args.run_dir, kApiMs).state(call);
  if (said && *said == "Shutdown") {
    // Shut down through its API by somebody else, which leaves the VMM behind: nothing of the VM runs, and nothing
    // will.
    QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
    VmStatus status;
    status.state = VmState::shutdown;
    status.status_reason = "the VM was shut down through Cloud Hypervisor's own API";
    return status;
  }
  if (said) return alive(*said, handle);
  if (runs_no_guest(said)) return alive("not booted", handle);
  // It may have ended while it was asked.
  if (const auto again = host_.find(&call, {args.vm, args.incarnation}); again && !again->alive)
    return ended(*again, &handle);
  Error error = said.error();
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
}

Result<VmStatus> CloudHypervisor::inspect(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return look(call, args, handle);
}

Result<VmStatus> CloudHypervisor::recover(plugin::Call& call, const VmArgs& args) {
  if (args.handle.text != "null") {
    QARAX_TRY(const Handle handle, read_handle(args));
    const auto process = host_.find(&call, {args.vm, args.incarnation});
    const Code found = process ? Code::ok : process.error().code;
    if (found != Code::ok && found != Code::not_found && found != Code::unavailable) return process.error();
    if (found == Code::ok) {
      if (!process->alive) return ended(*process, &handle);
      const auto said = ApiClient(args.run_dir, kApiMs).state(call);
      if (!runs_no_guest(said)) return look(call, args, handle);
    }
  }
  // The start was broken off before the guest ran a single instruction: it is undone.
  QARAX_CHECK(host_.kill(&call, {args.vm, args.incarnation}));
  plugin::remove_sockets(host_, kind(), args.vm, args.run_dir);
  VmStatus undone;
  undone.state = VmState::shutdown;
  undone.status_reason = "its start was interrupted and undone";
  return undone;
}

Result<VmStatus> CloudHypervisor::stop(plugin::Call& call, const StopArgs& args) {
  const ApiClient api(args.vm.run_dir, kApiMs);
  const plugin::PowerButton button{[&] { return api.state(call); }, "Running", [&] { return api.power_button(call); }};
  QARAX_TRY(VmStatus status, plugin::stop_vmm(host_, kind(), call, args, button));
  // A VM without a handle has to be endable too.
  if (const auto handle = read_handle(args.vm); handle && status.exit) {
    status.accelerator = "kvm";
    status.accelerator_evidence = handle->evidence;
  }
  return status;
}

Result<VmStatus> CloudHypervisor::act(plugin::Call& call, const VmArgs& args,
                                      Status (ApiClient::*what)(const plugin::Call&) const, VmState wanted) {
  QARAX_TRY(const Handle handle, read_handle(args));
  const ApiClient api(args.run_dir, kApiMs);
  const Status done = (api.*what)(call);
  if (done) return alive(wanted == VmState::paused ? "Paused" : "Running", handle);
  // Paused already, ended meanwhile: what is true now says whether that was a failure.
  auto now = look(call, args, handle);
  if (now && now->state == wanted && what != &ApiClient::reboot) return now;
  if (now && now->state == VmState::shutdown)
    return make_error(Code::failed_precondition, "VM " + args.vm + " has ended: " + now->status_reason);
  return done.error();
}

Result<VmStatus> CloudHypervisor::pause(plugin::Call& call, const VmArgs& args) {
  return act(call, args, &ApiClient::pause, VmState::paused);
}

Result<VmStatus> CloudHypervisor::resume(plugin::Call& call, const VmArgs& args) {
  return act(call, args, &ApiClient::resume, VmState::running);
}

Result<VmStatus> CloudHypervisor::reboot(plugin::Call& call, const VmArgs& args) {
  return act(call, args, &ApiClient::reboot, VmState::running);
}

Result<VmStatus> CloudHypervisor::resize(plugin::Call& call, const ResizeArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args.vm));
  const Status resized = ApiClient(args.vm.run_dir, kApiMs).resize(call, args.vcpus, args.memory);
  auto now = look(call, args.vm, handle);
  if (resized) return now;
  if (now && now->state == VmState::shutdown)
    return make_error(Code::failed_precondition, "VM " + args.vm.vm + " has ended: " + now->status_reason);
  return resized.error();
}

Result<Counters> CloudHypervisor::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " has ended");
  std::ifstream file("/proc/" + std::to_string(process.pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  QARAX_TRY(Counters out, plugin::process_counters(text, args.vm));
  QARAX_TRY(const auto devices, ApiClient(args.run_dir, kApiMs).counters(call));
  for (const auto& [name, value] : devices) out.counters.push_back({name, value, ""});
  return out;
}

}  // namespace qarax::cloud_hypervisor
