#include "process_service.hpp"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "launch.hpp"
#include "ledger.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/unix_socket.hpp"
#include "records.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kReadyMs = 10'000;      // from posix_spawn to the supervisor's report
constexpr std::int64_t kExitRecordMs = 5'000;  // from the VMM's end to its supervisor's
constexpr off_t kVmmLogMax = 1 << 20;          // the supervisor's own bound
constexpr int kReadyTarget = 3;                // the supervisor's contract
constexpr int kFirstVmmTarget = 4;

Result<std::string> read_report(const core::Fd& pipe, const CallLimits& limits) {
  std::string line;
  char buffer[512];
  while (line.find('\n') == std::string::npos) {
    QARAX_CHECK(limits.await(pipe.get(), "starting the VM's supervisor"));
    const ssize_t n = ::read(pipe.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return make_error(Code::internal, "the VM's supervisor ended without a report", "supervisor-failed");
    line.append(buffer, static_cast<std::size_t>(n));
  }
  return line.substr(0, line.find('\n'));
}

// Between a supervisor's start and its record lie milliseconds, or it dies and lets go of its lock: until then nobody
// knows. What is still unknown at the deadline is UNAVAILABLE.
Result<SupervisorRecord> settled_record(const std::string& dir, const CallLimits& limits) {
  for (;;) {
    const bool is_starting = supervisor_holds_lock(dir);
    auto record = read_supervisor_record(dir);
    if (record || record.error().code != Code::not_found || !is_starting) return record;
    if (plugin::monotonic_ns() >= limits.deadline_ns)
      return make_error(Code::unavailable, "a supervisor of the VM is up and has written nothing yet");
    ::usleep(1000);
  }
}

// The lock shows in every PID namespace, the processes only in theirs and those above it.
Error seen_nowhere(const std::string& vm) {
  return make_error(Code::unavailable, "VM " + vm +
                                           "'s supervisor has its lock and isn't seen: it lives in another PID "
                                           "namespace; start the agent where it ran");
}

// The incarnations that have left a run folder.
std::vector<std::int64_t> incarnations_in(const std::string& vm_dir) {
  std::vector<std::int64_t> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(vm_dir + "/run", ignored))
    if (const std::int64_t incarnation = std::atoll(entry.path().filename().c_str()); incarnation > 0)
      out.push_back(incarnation);
  return out;
}

}  // namespace

ProcessService::ProcessService(Options options, Cgroups cgroups, ExitListener on_exit)
    : options_(std::move(options)),
      cgroups_(std::move(cgroups)),
      leftovers_(std::filesystem::path(options_.vms_dir).parent_path().string(), cgroups_),
      on_exit_(std::move(on_exit)) {}

Result<Process> ProcessService::spawn(const SpawnArgs& args, const std::vector<int>& fds, const CallLimits& limits) {
  if (args.argv.empty() || args.argv.front().empty() || args.argv.front().front() != '/')
    return make_error(Code::invalid_argument, "spawn needs an absolute program path in argv[0]");
  if (args.fd_targets.size() != fds.size())
    return make_error(Code::invalid_argument, "spawn got " + std::to_string(fds.size()) + " descriptors and " +
                                                  std::to_string(args.fd_targets.size()) + " fd_targets");
  // Whoever gave this call up may have deleted the VM since.
  if (limits.is_cancelled()) return make_error(Code::cancelled, "the call was cancelled before it started anything");
  const std::string dir = run_dir(args.vm, args.incarnation);
  if (auto existing = find({args.vm, args.incarnation}); existing && existing->alive)
    return make_error(Code::already_exists,
                      "VM " + args.vm + " has a process already, pid " + std::to_string(existing->pid));
  QARAX_CHECK(core::make_folder_unsynced(dir));
  ::unlink((dir + "/exit.json").c_str());
  ::unlink((dir + "/cancelled").c_str());

  std::vector<LedgerEntry> claims{{"process", dir}};
  if (cgroups_.available()) claims.push_back({"cgroup", cgroups_.folder(args.vm)});
  QARAX_CHECK(Ledger(vm_dir(args.vm)).claim(claims));

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::errno_error("can't make a pipe", errno);
  core::Fd report(ends[0]);
  core::Fd report_write(ends[1]);

  Launch what;
  what.keeps_ignored = true;
  what.argv = {options_.supervisor, "--dir", dir, "--log-max", std::to_string(options_.console_log_max)};
  if (cgroups_.available())
    what.argv.insert(what.argv.end(), {"--cgroup", cgroups_.folder(args.vm), "--cgroup-optional"});
  if (!args.console_connect.empty()) what.argv.insert(what.argv.end(), {"--console-connect", args.console_connect});
  what.fds.emplace_back(report_write.get(), kReadyTarget);
  if (!fds.empty()) {
    std::string targets;
    for (std::size_t i = 0; i < fds.size(); ++i) {
      targets.append(i == 0 ? "" : ",").append(std::to_string(args.fd_targets[i]));
      what.fds.emplace_back(fds[i], kFirstVmmTarget + static_cast<int>(i));
    }
    what.argv.insert(what.argv.end(), {"--fds", std::to_string(fds.size()), "--fd-targets", targets});
  }
  what.argv.emplace_back("--");
  what.argv.insert(what.argv.end(), args.argv.begin(), args.argv.end());
  what.env = args.env;
  what.env[kVmMark] = vm_dir(args.vm);

  QARAX_TRY(const int supervisor_pid, launch(what));
  report_write.reset();
  const ProcessId supervisor{supervisor_pid, core::process_start_time(supervisor_pid).value_or(0)};
  auto line = read_report(report, limits.within_ms(kReadyMs));
  if (!line || !line->starts_with("ok ")) {
    // It ends by itself after an error; when it hangs, what it has started goes with it.
    if (!line) {
      cgroups_.kill_all(args.vm);
      send_signal(open_pidfd(supervisor), SIGKILL);
    }
    exits_.watch(supervisor, [] {});
    if (!line) return std::move(line).error();
    const std::string what_failed = line->starts_with("error ") ? line->substr(line->find(' ', 6) + 1) : *line;
    const int error = line->starts_with("error ") ? std::atoi(line->c_str() + 6) : 0;
    Error out = error != 0
                    ? core::errno_error(args.argv.front() + " could not be started: " + what_failed, error)
                    : make_error(Code::internal, "the VM's supervisor answered: " + what_failed, "supervisor-failed");
    out.log_tail = vmm_log_tail(dir);
    return out;
  }
  watch(args.vm, args.incarnation, supervisor);
  Process process;
  long long start = 0;
  if (std::sscanf(line->c_str(), "ok %d %lld", &process.pid, &start) != 2)
    return make_error(Code::internal, "the VM's supervisor answered: " + *line, "supervisor-failed");
  process.start_time = start;
  process.alive = true;
  return process;
}

void ProcessService::watch(const std::string& vm, std::int64_t incarnation, const ProcessId& supervisor) {
  exits_.watch(supervisor, [this, vm, incarnation, supervisor] {
    // A supervisor that was killed leaves its VMM running: then the VMM itself is what to wait for.
    if (!read_exit_record(run_dir(vm, incarnation))) {
      if (auto record = read_supervisor_record(run_dir(vm, incarnation)); record && is_alive(record->vmm)) {
        core::logger("process")->warn("the supervisor was lost, the VMM runs on vm={} pid={}", vm, record->vmm.pid);
        watch_alone(vm, incarnation, record->vmm);
      }
    }
    on_exit_(vm, incarnation);
  });
}

void ProcessService::watch_alone(const std::string& vm, std::int64_t incarnation, const ProcessId& vmm) {
  {
    const std::lock_guard lock(mutex_);
    lost_.emplace(vm, incarnation);
  }
  exits_.watch(vmm, [this, vm, incarnation] { on_exit_(vm, incarnation); });
}

bool ProcessService::has_lost_supervisor(const std::string& vm, std::int64_t incarnation) const {
  const std::lock_guard lock(mutex_);
  return lost_.contains({vm, incarnation});
}

void ProcessService::bound_lost_logs() const {
  const auto lost = [&] {
    const std::lock_guard lock(mutex_);
    return lost_;
  }();
  for (const auto& [vm, incarnation] : lost) {
    const std::string path = run_dir(vm, incarnation) + "/vmm.log";
    const core::Fd log(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!log || ::fstat(log.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= kVmmLogMax) continue;
    const core::Fd older(
        ::open((path + ".1").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    off_t at = info.st_size - kVmmLogMax;
    while (older &&
           at<info.st_size&& ::sendfile(older.get(), log.get(), &at, static_cast<std::size_t>(info.st_size - at))> 0) {
    }
    // The VMM appends to it: it goes on at the new end.
    static_cast<void>(::ftruncate(log.get(), 0));
  }
}

bool ProcessService::adopt(const std::string& vm, std::int64_t incarnation) {
  const auto record = read_supervisor_record(run_dir(vm, incarnation));
  if (!record || record->boot_id != core::boot_id()) return false;
  if (open_pidfd(record->supervisor) || is_shortage(errno)) {
    watch(vm, incarnation, record->supervisor);
    return true;
  }
  if (!is_alive(record->vmm)) return false;
  watch_alone(vm, incarnation, record->vmm);
  return true;
}

Result<Process> ProcessService::find(const ProcessArgs& args) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  // A supervisor that is just up was started by an agent that died at once.
  auto record = settled_record(dir, CallLimits{}.within_ms(options_.record_ms));
  if (!record && record.error().code == Code::not_found)
    return make_error(Code::not_found,
                      "VM " + args.vm + " has no process for incarnation " + std::to_string(args.incarnation));
  if (!record) return std::move(record).error();
  Process process;
  process.pid = record->vmm.pid;
  process.start_time = record->vmm.start_time;
  const bool this_boot = record->boot_id == core::boot_id();
  process.alive = this_boot && is_alive(record->vmm);
  if (process.alive) return process;
  process.exit = read_exit_record(dir);
  if (!process.exit && this_boot) {
    // The VMM has ended and its supervisor is writing how.
    const core::Fd supervisor = open_pidfd(record->supervisor);
    if (supervisor)
      static_cast<void>(CallLimits{}.within_ms(kExitRecordMs).await(supervisor.get(), "the VMM's exit record"));
    // In this order: one that is seen nowhere and has gone by now has written it.
    const bool is_elsewhere = !supervisor && supervisor_holds_lock(dir);
    process.exit = read_exit_record(dir);
    if (!process.exit && is_elsewhere) return seen_nowhere(args.vm);
  }
  if (!process.exit) {
    process.exit.emplace();
    process.exit->log_tail = vmm_log_tail(dir);
  }
  return process;
}

Status ProcessService::signal(const SignalArgs& args) {
  const auto record = read_supervisor_record(run_dir(args.process.vm, args.process.incarnation));
  if (!record) return make_error(Code::not_found, "VM " + args.process.vm + " has no process");
  const core::Fd vmm = open_pidfd(record->vmm);
  if (!vmm) return make_error(Code::not_found, "VM " + args.process.vm + "'s process has ended");
  send_signal(vmm, args.signal);
  return Ok{};
}

bool ProcessService::is_supervised(const std::string& vm) const {
  const auto incarnations = incarnations_in(vm_dir(vm));
  return std::any_of(incarnations.begin(), incarnations.end(),
                     [&](std::int64_t incarnation) { return supervisor_holds_lock(run_dir(vm, incarnation)); });
}

Status ProcessService::kill(const ProcessArgs& args, const CallLimits& limits) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  auto record = read_supervisor_record(dir);
  // A supervisor that hasn't got its lock yet finds this and ends; one that has it is waited for.
  if (!record && record.error().code == Code::not_found && std::filesystem::exists(dir))
    core::Fd(::open((dir + "/cancelled").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).reset();
  if (!record && record.error().code == Code::not_found)
    record = settled_record(dir, limits.within_ms(options_.record_ms));
  if (!record && record.error().code == Code::not_found) return empty_cgroup(cgroups_, args.vm, limits);
  if (!record) return std::move(record).error();
  if (record->boot_id != core::boot_id()) return Ok{};
  const core::Fd vmm = open_pidfd(record->vmm);
  const core::Fd supervisor = open_pidfd(record->supervisor);
  if (!vmm && is_alive(record->vmm))
    return make_error(Code::resource_exhausted, "VM " + args.vm + " can't be ended: the agent is out of descriptors",
                      "host-limit");
  cgroups_.kill_all(args.vm);
  send_signal(vmm, SIGKILL);
  if (!vmm && !supervisor && supervisor_holds_lock(dir)) return seen_nowhere(args.vm);
  // The supervisor ends when nothing of the VMM is left and the exit is on disk.
  if (supervisor)
    QARAX_CHECK(limits.await(supervisor.get(), "ending VM " + args.vm));
  else if (vmm)
    QARAX_CHECK(limits.await(vmm.get(), "ending VM " + args.vm));
  return Ok{};
}

Status ProcessService::kill_all(const std::string& vm, const CallLimits& limits) {
  for (const std::int64_t incarnation : incarnations_in(vm_dir(vm))) {
    const Status killed = kill({vm, incarnation}, limits);
    if (killed) continue;
    // It is on its way out.
    if (killed.error().code == Code::deadline_exceeded || killed.error().code == Code::cancelled) return killed;
    core::logger("process")->warn(
        "a VM's processes are looked for, as they can't be ended by their record vm={} reason={}", vm,
        core::log_value(killed.error().message));
    QARAX_CHECK(end_unnamed(vm, limits));
  }
  return empty_cgroup(cgroups_, vm, limits);
}

// No record names them: their cgroup holds them, their marks tell whose they are, and a supervisor has its lock. What
// has none of these isn't there.
Status ProcessService::end_unnamed(const std::string& vm, const CallLimits& limits) const {
  QARAX_CHECK(empty_cgroup(cgroups_, vm, limits));
  if (cgroups_.available()) {
    // Nothing is left under it: it writes that down and ends, wherever it lives.
    const std::int64_t until = limits.within_ms(options_.record_ms).deadline_ns;
    while (is_supervised(vm) && plugin::monotonic_ns() < until) ::usleep(1000);
  }
  QARAX_CHECK(leftovers_.end_all_of(vm));
  // One whose data folder had another name, as in another mount namespace.
  for (const std::int64_t incarnation : incarnations_in(vm_dir(vm)))
    if (const auto holder = supervisor_lock_holder(run_dir(vm, incarnation)); holder && *holder > 0)
      QARAX_CHECK(Leftovers::end_supervisor(*holder));
  return is_supervised(vm) ? Status(seen_nowhere(vm)) : Status(Ok{});
}

Result<Process> ProcessService::wait(const ProcessArgs& args, const CallLimits& limits) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  QARAX_TRY(const SupervisorRecord record, read_supervisor_record(dir));
  core::Fd end = open_pidfd(record.supervisor);
  if (!end) end = open_pidfd(record.vmm);
  if (end && !read_exit_record(dir)) QARAX_CHECK(limits.await(end.get(), "waiting for VM " + args.vm + " to end"));
  return find(args);
}

Status ProcessService::claim(const ClaimArgs& args) { return Ledger(vm_dir(args.vm)).claim({{args.kind, args.name}}); }

Status ProcessService::release(const ClaimArgs& args) {
  return Ledger(vm_dir(args.vm)).release({{args.kind, args.name}});
}

void ProcessService::clean_up(const std::string& vm, std::int64_t incarnation) {
  {
    const std::lock_guard lock(mutex_);
    lost_.erase({vm, incarnation});
  }
  const std::string dir = run_dir(vm, incarnation);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored))
    if (entry.is_socket(ignored)) std::filesystem::remove(entry.path(), ignored);
  if (!cgroups_.remove(vm)) core::logger("process")->debug("a cgroup isn't empty yet vm={}", vm);
}

}  // namespace qarax::agent
