#include "cloud_hypervisor.hpp"

#include "devices.hpp"
#include "text.hpp"
#include "vm_config.hpp"
#include "vmm_life.hpp"

namespace qarax::cloud_hypervisor {

namespace {

// Cloud Hypervisor's own memory beside the guest's, PSS of a VM without devices rounded up.
constexpr std::int64_t kVmmOverhead = 16LL << 20;
constexpr int kQuickAsks = 3;  // of a program that hasn't answered; then it is asked every kAskAgainMs
constexpr int kAskAgainMs = 30'000;

Error refused_size(std::vector<ErrorDetail> problems) {
  return plugin::invalid("the VM can't be resized", std::move(problems));
}

// Why a VM that has `now` bytes can't have `wanted`; empty: it can.
std::string memory_problem(const VmSpec& spec, std::int64_t now, std::int64_t wanted) {
  if (can_shrink(spec))
    return (wanted - spec.memory_size) % kVirtioMemBlock == 0
               ? std::string()
               : "must be a multiple of 2 MiB more than memory_size, which is " + std::to_string(spec.memory_size) +
                     " bytes";
  // It would say that it has taken it away, and do nothing.
  if (wanted < now)
    return "can't be less than it is, " + std::to_string(now) +
           " bytes: the VM's memory is plugged by ACPI; hotplug_method VirtioMem in its config lets it go";
  if ((wanted - now) % kHotplugStep != 0)
    return "must be a multiple of 128 MiB more than it is, which is " + std::to_string(now) + " bytes";
  return {};
}

}  // namespace

CloudHypervisor::CloudHypervisor(plugin::Host& host, const CreateArgs& args, int api_ms, int ask_soon_ms)
    : host_(host),
      settings_(plugin::settings_or_throw<Settings>(args)),
      state_dir_(args.state_dir),
      api_ms_(api_ms),
      ask_soon_ms_(ask_soon_ms),
      vmm_(std::make_shared<Vmm>(host, settings_, state_dir_, nullptr, 0, ask_soon_ms_)) {}

CloudHypervisor::Vmm::Vmm(plugin::Host& host, const Settings& settings, const std::string& state_dir,
                          const plugin::Call* call, int unanswered_before, int ask_soon_ms)
    : seen(program_fingerprint(settings)),
      program(find_program(host, settings, landlock_abi(), call)),
      unanswered(program.unanswered ? unanswered_before + 1 : 0),
      accelerator(host, plugin::AcceleratorChoice::kvm, trial_plan(settings, program), state_dir) {
  if (program.unanswered) reminder.emplace(host, is_undecided() ? ask_soon_ms << unanswered_before : kAskAgainMs);
}

bool CloudHypervisor::Vmm::is_undecided() const { return program.unanswered && unanswered <= kQuickAsks; }

Error CloudHypervisor::no_program(const Program& program) {
  // One that hasn't answered may answer at the next attempt.
  return program.unanswered ? make_error(Code::unavailable, program.why_not, "unavailable")
                            : make_error(Code::failed_precondition, program.why_not, "hypervisor-unavailable");
}

std::shared_ptr<CloudHypervisor::Vmm> CloudHypervisor::look_for_vmm(const plugin::Call& call) {
  const auto before = vmm_.get();
  auto now = vmm_.renewed(
      call, [&](const Vmm& vmm) { return vmm.program.unanswered || program_fingerprint(settings_) != vmm.seen; },
      [&] { return std::make_shared<Vmm>(host_, settings_, state_dir_, &call, vmm_.get()->unanswered, ask_soon_ms_); });
  // One that hasn't answered again is no news: the host would ask at once, and again.
  if (now != before && !now->program.unanswered) host_.notify("");
  return now;
}

Version CloudHypervisor::known_version() const {
  const auto now = vmm_.get();
  return now->program.path.empty() ? kNewest : now->program.version;
}

Result<Description> CloudHypervisor::describe(plugin::Call& call) {
  const auto now = look_for_vmm(call);
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
    // As of a trial that isn't over: the scheduler lets VMs wait.
    if (now->is_undecided()) {
      out.healthy = true;
      out.accelerator = "probing";
      out.accelerator_evidence = program.why_not;
    }
  } else {
    plugin::say_health(out, verdict, "Cloud Hypervisor needs KVM");
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
  return problems.empty() ? Status(Ok{}) : plugin::invalid("Cloud Hypervisor can't run this VM", std::move(problems));
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
  const ApiClient asked = api(args.run_dir);
  const Status done = (asked.*what)(call);
  // It may have been resized meanwhile: what it has now only its VMM knows.
  auto now = look(call, args, handle);
  // Paused already, ended meanwhile: what is true now says whether that was a failure.
  if (done || (now && now->state == wanted)) return now;
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
  QARAX_TRY(const Handle handle, read_handle(args));
  const Status done = patient_api(args.run_dir).reboot(call);
  if (done) return look(call, args, handle);
  // It ends the guest first: one that is refused may leave a VMM without any, and its words are why.
  if (done.error().reason == "vmm-refused" && runs_no_guest(api(args.run_dir).info(call)))
    return why_not(
        args, end_empty_vmm(call, args, handle, "its guest didn't come back from a reboot: " + done.error().message),
        done.error());
  return why_not(call, args, handle, done.error());
}

Result<VmStatus> CloudHypervisor::resize(plugin::Call& call, const ResizeArgs& args) {
  QARAX_TRY(const Handle handle, read_handle(args.vm));
  QARAX_TRY(const VmSpec spec, spec_of(args.vm, handle));
  auto problems = plugin::resize_problems(spec, args);
  if (!problems.empty()) return refused_size(std::move(problems));
  const ApiClient asked = api(args.vm.run_dir);
  const auto now = asked.info(call);
  if (!now) return why_not(call, args.vm, handle, now.error());
  // The VMM refuses virtio-mem the size that it has: what is so already is left out, and what it is known to refuse is
  // refused here.
  const auto vcpus = args.vcpus == now->vcpus ? std::nullopt : args.vcpus;
  const auto memory = args.memory == now->memory ? std::nullopt : args.memory;
  if (memory && now->memory)
    if (std::string why = memory_problem(spec, *now->memory, *memory); !why.empty())
      return refused_size({{"/memory", std::move(why)}});
  // Told both at once, the VMM changes the vCPUs before it looks at the memory, and leaves them so where it refuses
  // that. Memory that comes may be faulted in first, which takes as long as at a boot.
  const auto change_memory = [&](std::optional<std::int64_t> from, std::int64_t to) {
    const bool grows = !from || to > *from;
    return (grows ? patient_api(args.vm.run_dir) : asked).resize(call, std::nullopt, to);
  };
  Status done = Ok{};
  if (memory) done = change_memory(now->memory, *memory);
  if (done && vcpus) {
    done = asked.resize(call, vcpus, std::nullopt);
    if (!done && memory) {
      // Nobody who is told of a failure expects the guest to have more, or less, memory than before.
      std::string what = "its memory has the new size, its vCPUs don't";
      if (!can_shrink(spec))
        what += ", and memory that was plugged by ACPI can't be taken back";
      else if (const Status undone = now->memory ? change_memory(memory, *now->memory) : Status(Ok{}); !undone)
        what += ", and its old size was refused (" + undone.error().message + ")";
      else if (now->memory)
        what = "its vCPUs can't be changed, so that its memory has its old size again";
      done = std::move(done).error().context(what);
    }
  }
  if (done) return look(call, args.vm, handle);
  return why_not(call, args.vm, handle, done.error());
}

Result<Counters> CloudHypervisor::counters(plugin::Call& call, const VmArgs& args) {
  QARAX_CHECK(read_handle(args));
  QARAX_TRY(const Process process, host_.find(&call, {args.vm, args.incarnation}));
  if (!process.alive) return make_error(Code::failed_precondition, "VM " + args.vm + " has ended");
  QARAX_TRY(Counters out, plugin::counters_of(process.pid, args.vm));
  QARAX_TRY(const auto devices, api(args.run_dir).counters(call));
  for (const auto& [name, value] : devices) out.counters.push_back({name, value, ""});
  return out;
}

}  // namespace qarax::cloud_hypervisor
