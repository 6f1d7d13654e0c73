// How a VM's processes are ended by command, and what the agent does for VMMs without a supervisor.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "log_cut.h"
#include "process_service.hpp"
#include "qarax/core/logging.hpp"
#include "records.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kSearchMs = 1'000;  // in addition, for the processes of a VM whose supervisor hangs

// The incarnations that have a run folder.
Result<std::vector<std::int64_t>> incarnations_in(const std::string& vm_dir) {
  std::vector<std::int64_t> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(vm_dir + "/run", error), end; !error && it != end; it.increment(error))
    if (const std::int64_t incarnation = std::atoll(it->path().filename().c_str()); incarnation > 0)
      out.push_back(incarnation);
  if (error && error.value() != ENOENT && error.value() != ENOTDIR)
    return core::errno_error("can't list " + vm_dir + "/run", error.value());
  return out;
}

}  // namespace

// A lock is visible in every PID namespace, a process only in its own and those above it.
Error ProcessService::seen_nowhere(const std::string& vm, const std::string& run_dir) {
  if (auto holder = supervisor_lock_holder(run_dir); !holder) return std::move(holder).error().context("VM " + vm);
  return make_error(Code::failed_precondition, "VM " + vm +
                                                   "'s supervisor has its lock and isn't seen: it lives in another PID "
                                                   "namespace; start the agent where it ran");
}

Result<bool> ProcessService::supervised(const std::string& vm) const {
  QARAX_TRY(const auto incarnations, incarnations_in(vm_dir(vm)));
  for (const std::int64_t incarnation : incarnations) {
    QARAX_TRY(const auto holder, supervisor_lock_holder(run_dir(vm, incarnation)));
    if (holder) return true;
  }
  return false;
}

bool ProcessService::is_supervised(const std::string& vm) const {
  const auto known = supervised(vm);
  return !known || *known;
}

bool ProcessService::is_seen(const std::string& vm) const { return cgroups_.populated(vm) || vm_processes_.has(vm); }

Status ProcessService::check_alone(const ProcessArgs& args) {
  if (const auto own = find(args); own && own->alive) return Ok{};
  QARAX_CHECK(no_other_incarnation(args));
  return check_cgroup(args.vm);
}

Status ProcessService::no_other_incarnation(const ProcessArgs& args) const {
  QARAX_TRY(const auto incarnations, incarnations_in(vm_dir(args.vm)));
  for (const std::int64_t other : incarnations) {
    if (other == args.incarnation) continue;
    const auto record = read_supervisor_record(run_dir(args.vm, other));
    if (record && is_of_this_boot(*record) && is_alive(record->vmm))
      return make_error(Code::failed_precondition, "VM " + args.vm + " still has the process of incarnation " +
                                                       std::to_string(other) + ", pid " +
                                                       std::to_string(record->vmm.pid) + "; end that first");
  }
  return Ok{};
}

// A VMM that its guest has taken over may forge or remove its records. The VM's cgroup shows which processes are there.
Status ProcessService::check_cgroup(const std::string& vm) const {
  // A cgroup becomes empty a moment after its last process was reaped.
  constexpr int kLooks = 100;
  for (int look = 0; look < kLooks; ++look, ::usleep(1000))
    if (!cgroups_.populated(vm)) return Ok{};
  return make_error(Code::failed_precondition,
                    "VM " + vm + "'s records name no process, and there are some in its control group; force-stop it");
}

// True if the record has no end although nothing says that the VMM still runs: a killed supervisor leaves its VMM
// running without a word. If it lived in another PID namespace, the record's pids mean nothing here.
bool ProcessService::is_unexplained(const ProcessArgs& args) const {
  const std::string dir = run_dir(args.vm, args.incarnation);
  const auto record = read_supervisor_record(dir);
  return record && is_of_this_boot(*record) && !read_exit_record(dir);
}

bool ProcessService::is_supervisor_left(const ProcessArgs& args) const {
  const auto record = read_supervisor_record(run_dir(args.vm, args.incarnation));
  return record && is_of_this_boot(*record) && !is_alive(record->vmm) && is_alive(record->supervisor);
}

Status ProcessService::kill(const ProcessArgs& args, const CallLimits& limits) {
  return kill_within(args, limits, std::nullopt);
}

Status ProcessService::kill_within(const ProcessArgs& args, const CallLimits& limits,
                                   std::optional<std::int64_t> record_ms) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  auto record = read_supervisor_record(dir);
  // A supervisor that doesn't have its lock yet finds this file and ends. One that has it is waited for below.
  if (!record && record.error().code == Code::not_found && std::filesystem::exists(dir))
    core::Fd(::open((dir + "/cancelled").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).reset();
  // A call that is cancelled is no reason to leave alone what is about to start.
  if (!record && record.error().code == Code::not_found)
    record = settled_supervisor_record(dir, CallLimits{limits.deadline_ns}.within_ms(options_.record_ms));
  if (!record && record.error().code == Code::not_found) return empty_cgroup(cgroups_, args.vm, limits);
  if (!record) return std::move(record).error();
  if (!is_of_this_boot(*record)) return empty_cgroup_and_wait(args.vm, limits);
  const core::Fd vmm = open_pidfd(record->vmm);
  const core::Fd supervisor = open_pidfd(record->supervisor);
  if (!vmm && is_alive(record->vmm))
    return make_error(Code::resource_exhausted, "VM " + args.vm + " can't be ended: the agent is out of descriptors",
                      "host-limit");
  cgroups_.kill_all(args.vm);
  send_signal(vmm, SIGKILL);
  // The record names no process that is there, but the VM's cgroup may hold some.
  if (!vmm && !supervisor) {
    QARAX_CHECK(empty_cgroup_and_wait(args.vm, limits));
    return supervisor_holds_lock(dir) ? Status(seen_nowhere(args.vm, dir)) : Status(Ok{});
  }
  // The supervisor ends once nothing of the VMM is left and the exit is on disk.
  if (vmm) QARAX_CHECK(limits.await(vmm.get(), "ending VM " + args.vm));
  if (supervisor)
    QARAX_CHECK((record_ms ? limits.within_ms(*record_ms) : limits).await(supervisor.get(), "ending VM " + args.vm));
  return empty_cgroup(cgroups_, args.vm, limits);
}

Status ProcessService::kill_all(const std::string& vm, const CallLimits& limits) {
  QARAX_TRY(const auto incarnations, incarnations_in(vm_dir(vm)));
  for (const std::int64_t incarnation : incarnations) {
    Status killed = kill_within({vm, incarnation}, limits, options_.exit_record_ms);
    if (killed && !is_unexplained({vm, incarnation})) continue;
    CallLimits search = limits;
    if (!killed) {
      // The processes are about to end, or the agent is out of descriptors: a search would not help. It does where only
      // a supervisor is left that hangs: nothing else would ever end it, and with it there the VM can't be started.
      const Code code = killed.error().code;
      const bool hangs = code == Code::deadline_exceeded && is_supervisor_left({vm, incarnation});
      if (hangs) search = CallLimits{}.within_ms(kSearchMs);
      if (!hangs && (code == Code::deadline_exceeded || code == Code::cancelled || code == Code::resource_exhausted))
        return killed;
      core::logger("process")->warn(
          "a VM's processes are looked for, as they can't be ended by their record vm={} reason={}", vm,
          core::log_value(killed.error().message));
    }
    QARAX_CHECK(end_unnamed(vm, search));
  }
  return empty_cgroup(cgroups_, vm, limits);
}

Status ProcessService::empty_cgroup_and_wait(const std::string& vm, const CallLimits& limits) const {
  QARAX_CHECK(empty_cgroup(cgroups_, vm, limits));
  if (!cgroups_.available()) return Ok{};
  // Nothing is left under the supervisor, which records that and ends, in whatever PID namespace it lives.
  const std::int64_t until = limits.within_ms(options_.record_ms).deadline_ns;
  while (is_supervised(vm) && plugin::monotonic_ns() < until) ::usleep(1000);
  return Ok{};
}

// Ends a VM's processes that no record names. They are in its cgroup, or bear its mark, or hold a supervisor's lock; a
// process with none of these isn't the VM's.
Status ProcessService::end_unnamed(const std::string& vm, const CallLimits& limits) const {
  QARAX_CHECK(VmProcesses::can_look());
  QARAX_CHECK(empty_cgroup_and_wait(vm, limits));
  QARAX_CHECK(vm_processes_.end_all_of(vm));
  // A supervisor that knew the data folder under another name, as in another mount namespace.
  QARAX_TRY(const auto incarnations, incarnations_in(vm_dir(vm)));
  for (const std::int64_t incarnation : incarnations) {
    const std::string dir = run_dir(vm, incarnation);
    QARAX_TRY(const auto holder, supervisor_lock_holder(dir));
    if (!holder) continue;
    // The pid is the supervisor's for as long as it holds the lock, but it may have ended since the lock was asked for.
    // The pidfd is opened first; if the lock still has the same holder after that, the pidfd is the holder's.
    const int pid = *holder;
    const core::Fd held = open_pidfd_of(pid);
    QARAX_TRY(const auto still, supervisor_lock_holder(dir));
    if (held && still == holder && VmProcesses::is_supervisor(pid)) QARAX_CHECK(VmProcesses::end_supervisor(held, pid));
    if (supervisor_holds_lock(dir)) return seen_nowhere(vm, dir);
  }
  return Ok{};
}

bool ProcessService::has_lost_any() const {
  const std::lock_guard lock(mutex_);
  return !lost_.empty();
}

void ProcessService::bound_lost_logs() {
  // If the disk hangs, only one thread waits for it, not one more at each call.
  const std::unique_lock alone(bounding_, std::try_to_lock);
  if (!alone) return;
  const auto lost = [&] {
    const std::lock_guard lock(mutex_);
    return lost_;
  }();
  for (const auto& [vm, incarnation] : lost) {
    const std::string path = run_dir(vm, incarnation) + "/vmm.log";
    const core::Fd log(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!log || ::fstat(log.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= kVmmLogMax) continue;
    vmm_log_cut(log.get(), info.st_size, (path + ".1").c_str());
  }
}

void ProcessService::clean_up(const std::string& vm, std::int64_t incarnation) {
  {
    const std::lock_guard lock(mutex_);
    lost_.erase({vm, incarnation});
  }
  const std::string dir = run_dir(vm, incarnation);
  std::error_code ignored;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end; it.increment(error))
    if (it->is_socket(ignored)) std::filesystem::remove(it->path(), ignored);
  if (!cgroups_.remove(vm)) core::logger("process")->debug("a cgroup isn't empty yet vm={}", vm);
}

}  // namespace qarax::agent
