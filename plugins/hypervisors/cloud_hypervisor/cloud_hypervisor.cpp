#include "cloud_hypervisor.hpp"

#include <sched.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "devices.hpp"
#include "snapshot_files.hpp"
#include "text.hpp"
#include "unix_socket.hpp"
#include "vm_config.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

namespace {

constexpr int kApiFd = 10;  // its number inside the VMM
// Cloud Hypervisor's own memory beside the guest's, PSS of a VM without devices rounded up.
constexpr std::int64_t kVmmOverhead = 16LL << 20;

Settings parse(const CreateArgs& args) {
  if (args.config.text == "null") return {};
  auto settings = decode<Settings>(std::string_view(args.config.text));
  if (!settings) throw std::invalid_argument(settings.error().message);
  return std::move(*settings);
}

// One that no thread can be kept on: there is none such, it is offline, or outside of the host's cpuset for us. The
// agent's own affinity isn't asked, since what it spawns may choose anew.
std::optional<int> first_unusable(const std::set<int>& cpus) {
  std::optional<int> out;
  std::thread tries([&] {
    for (const int cpu : cpus) {
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(static_cast<std::size_t>(cpu), &only);
      if (::sched_setaffinity(0, sizeof only, &only) == 0) continue;
      out = cpu;
      return;
    }
  });
  tries.join();
  return out;
}

Status check_pins(const VmSpec& spec) {
  const auto pins = pinned_to(spec);
  const auto unusable = pins.empty() ? std::nullopt : first_unusable(pins);
  if (!unusable) return Ok{};
  return plugin::invalid(
      "Cloud Hypervisor can't run this VM",
      {{"/config/cpus/affinity", "names host CPU " + std::to_string(*unusable) + ", which this host can't run it on"}});
}

VmArgs args_of(const StartArgs& start) { return {start.vm, start.incarnation, start.run_dir, {}}; }

}  // namespace

CloudHypervisor::CloudHypervisor(plugin::Host& host, const CreateArgs& args, int api_ms)
    : host_(host),
      settings_(parse(args)),
      state_dir_(args.state_dir),
      api_ms_(api_ms),
      vmm_(std::make_shared<Vmm>(host, settings_, state_dir_)) {}

CloudHypervisor::Vmm::Vmm(plugin::Host& host, const Settings& settings, const std::string& state_dir)
    : seen(program_fingerprint(settings)),
      program(find_program(host, settings)),
      accelerator(host, plugin::AcceleratorChoice::kvm, trial_plan(settings, program), state_dir) {}

std::shared_ptr<CloudHypervisor::Vmm> CloudHypervisor::vmm() const {
  const std::lock_guard lock(vmm_mutex_);
  return vmm_;
}

std::shared_ptr<CloudHypervisor::Vmm> CloudHypervisor::look_for_vmm() {
  const std::lock_guard lock(vmm_mutex_);
  if (program_fingerprint(settings_) == vmm_->seen) return vmm_;
  vmm_ = std::make_shared<Vmm>(host_, settings_, state_dir_);
  host_.notify("");
  return vmm_;
}

Version CloudHypervisor::known_version() const {
  const auto now = vmm();
  return now->program.path.empty() ? kNewest : now->program.version;
}

Result<Description> CloudHypervisor::describe(plugin::Call&) {
  const auto now = look_for_vmm();
  const Program& program = now->program;
  const plugin::Verdict verdict = now->accelerator.now();
  Description out;
  out.vmm_path = program.path;
  out.vmm_version = program.text;
  out.accelerator = verdict.accelerator;
  out.accelerator_evidence = verdict.evidence;
  out.features = features_of(program.version, settings_);
  out.boot_modes = {"kernel", "pvh"};
  out.limits.max_vcpus = kMaxVcpus;
  out.limits.vmm_overhead = kVmmOverhead;
  out.options_schema.text = vm_options_schema(known_version());
  if (program.path.empty()) {
    out.healthy = false;
    out.health_reason = program.why_not;
  } else if (verdict.accelerator.empty()) {
    out.healthy = false;
    out.health_reason = "Cloud Hypervisor needs KVM: " + verdict.evidence;
  }
  return out;
}

Result<VmSpec> CloudHypervisor::resolve(plugin::Call&, const ResolveArgs& args) {
  VmSpec spec = args.spec;
  if (spec.max_vcpus < spec.boot_vcpus) spec.max_vcpus = spec.boot_vcpus;
  QARAX_CHECK(check(spec, known_version()));
  return spec;
}

Status CloudHypervisor::check(const VmSpec& spec, const Version& version) {
  auto problems = unsupported(spec, version);
  if (problems.empty()) return Ok{};
  Error error = make_error(
      Code::invalid_argument,
      "Cloud Hypervisor can't run this VM: " + problems.front().pointer + ": " + problems.front().detail, "validation");
  error.details = std::move(problems);
  return error;
}

Result<VmStatus> CloudHypervisor::start(plugin::Call& call, const StartArgs& args) {
  return start_or_restore(call, args, nullptr);
}

Result<VmStatus> CloudHypervisor::start_or_restore(plugin::Call& call, const StartArgs& args, const Machine* frozen) {
  const std::string from = frozen != nullptr ? args.run_dir + "/" + kRestoreView : std::string();
  const auto current = look_for_vmm();
  const Program& program = current->program;
  if (program.path.empty()) return make_error(Code::failed_precondition, program.why_not, "hypervisor-unavailable");
  if (args.boot.kernel.empty())
    return make_error(
        Code::failed_precondition,
        "the VM names no boot source and this node has no default kernel; set boot.kernel in the node's config",
        "boot-files-missing");
  QARAX_TRY(const plugin::Verdict verdict, current->accelerator.settled(call));
  if (verdict.accelerator.empty())
    return make_error(Code::failed_precondition, "Cloud Hypervisor needs KVM: " + verdict.evidence,
                      "hypervisor-unavailable");
  Handle handle{kHandleFormat, "cloud_hv", program.text, verdict.evidence, args.spec, {}, {}, false};
  if (frozen != nullptr) {
    handle.disks = frozen->disks;
    handle.nics = frozen->nics;
  }
  if (const auto there = host_.find(&call, {args.vm, args.incarnation}); there && there->alive) {
    const auto said = api(args.run_dir).info(call);
    if (!runs_no_guest(said)) return look(call, args_of(args), handle);
    // Spawned by a start that was broken off before its guest ran: this one finishes it.
    return finish_start(call, args, program, handle, from, said.operator bool());
  }
  QARAX_CHECK(check(args.spec, program.version));
  QARAX_CHECK(check_pins(args.spec));
  auto started = launch(call, args, program, handle, from);
  if (started) return started;
  return plugin::undo_start(host_, kind(), args, std::move(started).error());
}

Result<VmStatus> CloudHypervisor::launch(plugin::Call& call, const StartArgs& args, const Program& program,
                                         const Handle& handle, const std::string& from) {
  QARAX_CHECK(call.keep(encode(handle)));
  for (const std::string& name : kind().sockets)
    QARAX_CHECK(host_.claim(&call, {args.vm, "socket", args.run_dir + "/" + name}));
  // The VMM makes this one itself, and refuses where something is in the way.
  ::unlink((args.run_dir + "/" + kSerial).c_str());
  QARAX_TRY(plugin::Socket listener, plugin::listen_unix(args.run_dir, kApiSocket));
  SpawnArgs spawn;
  spawn.vm = args.vm;
  spawn.incarnation = args.incarnation;
  spawn.argv = build_argv(program.path, settings_, kApiFd);
  spawn.env = {{"PATH", "/usr/bin:/bin"}, {"LC_ALL", "C"}};
  spawn.fd_targets = {kApiFd};
  spawn.console_connect = args.run_dir + "/" + kSerial;
  call.progress("spawn", 1, 3);
  QARAX_CHECK(host_.spawn(&call, spawn, {listener.get()}));
  // Ours is closed now: a VMM that dies must show as a hang-up, not as a socket that nobody answers.
  listener.close();
  return finish_start(call, args, program, handle, from, false);
}

Result<VmStatus> CloudHypervisor::finish_start(plugin::Call& call, const StartArgs& args, const Program& program,
                                               const Handle& handle, const std::string& from, bool is_created) {
  const ApiClient patient = patient_api(args.run_dir);
  Handle booted = handle;
  booted.booted = true;
  call.progress(from.empty() ? "create" : "restore", 2, 3);
  if (!from.empty()) {
    QARAX_CHECK(patient.restore(call, from, args.spec.memory_prefault));
    QARAX_CHECK(patient.resume(call));
  } else if (is_created) {
    QARAX_CHECK(patient.boot(call));
  } else {
    QARAX_CHECK(patient.create_and_boot(call, build_vm_config(args, settings_, program.version, kSerial)));
  }
  QARAX_CHECK(call.keep(encode(booted)));
  call.progress("running", 3, 3);
  if (from.empty()) return alive(as_started("Running", args.spec), booted);
  // What it was resized to before its snapshot only its VMM knows.
  auto restored = look(call, args_of(args), booted);
  if (restored && restored->state == VmState::shutdown)
    return make_error(Code::unavailable, "VM " + args.vm + " has ended: " + restored->status_reason);
  return restored;
}

Result<VmStatus> CloudHypervisor::look(plugin::Call& call, const VmArgs& args, const Handle& handle) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return end_of(args, process, handle);
  const auto said = api(args.run_dir).info(call);
  if (handle.booted && runs_no_guest(said))
    return end_empty_vmm(call, args, handle, "its guest was ended through Cloud Hypervisor's own API");
  if (said) return alive(*said, handle);
  if (runs_no_guest(said)) return alive(Info{"not booted", {}, {}, {}}, handle);
  // It may have ended while it was asked.
  if (const auto again = host_.find(&call, {args.vm, args.incarnation}); again && !again->alive)
    return end_of(args, *again, handle);
  Error error = said.error();
  if (error.code == Code::not_found) error.code = Code::unavailable;
  return error;
}

Result<VmStatus> CloudHypervisor::inspect(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args));
  return look(call, args, handle);
}

Result<VmStatus> CloudHypervisor::act(plugin::Call& call, const VmArgs& args,
                                      Status (ApiClient::*what)(const plugin::Call&) const, VmState wanted) {
  QARAX_TRY(const Handle handle, read_handle(args));
  const ApiClient asked = what == &ApiClient::reboot ? patient_api(args.run_dir) : api(args.run_dir);
  const Status done = (asked.*what)(call);
  // It may have been resized meanwhile: what it has now only its VMM knows.
  if (done) return look(call, args, handle);
  // A reboot ends the guest first: one that is refused may leave a VMM without any, and its words are why.
  if (what == &ApiClient::reboot && done.error().reason == "vmm-refused" && runs_no_guest(api(args.run_dir).info(call)))
    return why_not(
        args, end_empty_vmm(call, args, handle, "its guest didn't come back from a reboot: " + done.error().message),
        done.error());
  // Paused already, ended meanwhile: what is true now says whether that was a failure.
  auto now = look(call, args, handle);
  if (now && now->state == wanted && what != &ApiClient::reboot) return now;
  return why_not(args, now, done.error());
}

Error CloudHypervisor::why_not(plugin::Call& call, const VmArgs& args, const Handle& handle, Error error) {
  return why_not(args, look(call, args, handle), std::move(error));
}

Error CloudHypervisor::why_not(const VmArgs& args, const Result<VmStatus>& now, Error error) {
  if (now && now->state == VmState::shutdown)
    return make_error(Code::failed_precondition, "VM " + args.vm + " has ended: " + now->status_reason);
  // The VM is there, so "not found" would mislead: it is its API that can't be reached.
  if (error.code == Code::not_found && error.reason != "vmm-refused") error.code = Code::unavailable;
  return error;
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
  QARAX_TRY(const VmSpec spec, spec_of(args.vm, handle));
  auto problems = plugin::resize_problems(spec, args);
  const ApiClient asked = api(args.vm.run_dir);
  if (problems.empty() && args.memory && !can_shrink(spec)) {
    // It would say that it has, and do nothing.
    const auto now = asked.info(call);
    if (!now) return why_not(call, args.vm, handle, now.error());
    if (now->memory && *args.memory < *now->memory)
      problems.push_back({"/memory", "can't be less than it is, " + std::to_string(*now->memory) +
                                         " bytes: the VM's memory is plugged by ACPI; hotplug_method VirtioMem in its "
                                         "config lets it go"});
    else if (now->memory && (*args.memory - *now->memory) % kHotplugStep != 0)
      problems.push_back({"/memory", "must be a multiple of 128 MiB more than it is, which is " +
                                         std::to_string(*now->memory) + " bytes"});
  }
  if (!problems.empty()) return plugin::invalid("the VM can't be resized", std::move(problems));
  const Status done = asked.resize(call, args.vcpus, args.memory);
  if (done) return look(call, args.vm, handle);
  return why_not(call, args.vm, handle, done.error());
}

Result<Counters> CloudHypervisor::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " has ended");
  std::ifstream file("/proc/" + std::to_string(process.pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  QARAX_TRY(Counters out, plugin::process_counters(text, args.vm));
  QARAX_TRY(const auto devices, api(args.run_dir).counters(call));
  for (const auto& [name, value] : devices) out.counters.push_back({name, value, ""});
  return out;
}

}  // namespace qarax::cloud_hypervisor
