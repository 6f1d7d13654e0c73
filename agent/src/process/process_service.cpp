#include "process_service.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "launch.hpp"
#include "ledger.hpp"
#include "ledger_kind.hpp"
#include "qarax/core/cut.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/unix_socket.hpp"
#include "records.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kReadyMs = 10'000;  // from posix_spawn to the supervisor's report
constexpr int kReadyTarget = 3;            // number in the supervisor, by its contract
constexpr int kFirstVmmTarget = 4;
constexpr int kFirstTarget = 3;  // of the VMM; below are stdin, stdout and stderr
constexpr int kLastTarget = 1023;

// Refuses what the supervisor would refuse, before the run folder is made.
Status check_targets(const SpawnArgs& args, std::size_t fds) {
  const auto& targets = args.fd_targets;
  if (targets.size() != fds)
    return make_error(Code::invalid_argument, "spawn got " + std::to_string(fds) + " descriptors and " +
                                                  std::to_string(targets.size()) + " fd_targets");
  for (auto it = targets.begin(); it != targets.end(); ++it) {
    if (*it < kFirstTarget || *it > kLastTarget)
      return make_error(Code::invalid_argument, "fd_targets are " + std::to_string(kFirstTarget) + " to " +
                                                    std::to_string(kLastTarget) + ", and " + std::to_string(*it) +
                                                    " isn't");
    if (std::find(targets.begin(), it, *it) != it)
      return make_error(Code::invalid_argument, "fd_targets has " + std::to_string(*it) + " twice");
  }
  return Ok{};
}

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

}  // namespace

ProcessService::ProcessService(Options options, Cgroups cgroups, ExitListener on_exit)
    : options_(std::move(options)),
      cgroups_(std::move(cgroups)),
      vm_processes_(options_.vms_dir, cgroups_),
      leftovers_(std::filesystem::path(options_.vms_dir).parent_path().string(), cgroups_, vm_processes_),
      on_exit_(std::move(on_exit)) {}

Result<Process> ProcessService::spawn(const SpawnArgs& args, const std::vector<int>& fds, const CallLimits& limits) {
  if (args.argv.empty() || args.argv.front().empty() || args.argv.front().front() != '/')
    return make_error(Code::invalid_argument, "spawn needs an absolute program path in argv[0]");
  QARAX_CHECK(check_targets(args, fds.size()));
  // The VM may have been deleted since the caller gave this call up.
  if (limits.is_cancelled()) return make_error(Code::cancelled, "the call was cancelled before it started anything");
  const std::string dir = run_dir(args.vm, args.incarnation);
  auto existing = find({args.vm, args.incarnation}, limits);
  if (existing && existing->alive)
    return make_error(Code::already_exists,
                      "VM " + args.vm + " has a process already, pid " + std::to_string(existing->pid));
  // What is about to be recorded in the run folder must not be removed below.
  if (!existing && (existing.error().code == Code::deadline_exceeded || existing.error().code == Code::cancelled))
    return std::move(existing).error();
  QARAX_CHECK(no_other_incarnation({args.vm, args.incarnation}));
  QARAX_CHECK(check_cgroup(args.vm));
  QARAX_CHECK(core::make_folder_unsynced(dir));
  ::unlink((dir + "/exit.json").c_str());
  ::unlink((dir + "/cancelled").c_str());
  // Who ends the VM cancels the call, and later leaves that mark: it may have been this one's.
  if (limits.is_cancelled()) return make_error(Code::cancelled, "the call was cancelled before it started anything");

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
    // The supervisor ends by itself after it reported an error. If it hangs it is killed, with what it has started.
    if (!line) {
      cgroups_.kill_all(args.vm);
      send_signal(open_pidfd(supervisor), SIGKILL);
    }
    reap_later(supervisor);
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
    // A supervisor that was killed leaves its VMM running. Then the VMM itself is watched.
    if (!read_exit_record(run_dir(vm, incarnation))) {
      if (auto record = read_supervisor_record(run_dir(vm, incarnation));
          record && is_of_this_boot(*record) && is_alive(record->vmm)) {
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

bool ProcessService::adopt(const std::string& vm, std::int64_t incarnation) {
  const auto record = read_supervisor_record(run_dir(vm, incarnation));
  if (!record || !is_of_this_boot(*record)) return false;
  if (open_pidfd(record->supervisor) || is_shortage(errno)) {
    watch(vm, incarnation, record->supervisor);
    return true;
  }
  if (!is_alive(record->vmm)) return false;
  watch_alone(vm, incarnation, record->vmm);
  return true;
}

Result<Process> ProcessService::find(const ProcessArgs& args, const CallLimits& limits) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  // A supervisor without a record was started by an agent that died right afterwards.
  auto record = settled_supervisor_record(dir, limits.within_ms(options_.record_ms));
  // The caller's time is up before the supervisor's: that one may still record its VMM.
  if (!record && record.error().code == Code::unavailable && limits.is_over())
    record.error().code = Code::deadline_exceeded;
  if (!record && record.error().code == Code::not_found) {
    QARAX_CHECK(check_cgroup(args.vm));
    return make_error(Code::not_found,
                      "VM " + args.vm + " has no process for incarnation " + std::to_string(args.incarnation));
  }
  if (!record) return std::move(record).error();
  Process process;
  process.pid = record->vmm.pid;
  process.start_time = record->vmm.start_time;
  const bool this_boot = is_of_this_boot(*record);
  process.alive = this_boot && is_alive(record->vmm);
  if (process.alive) return process;
  process.exit = read_exit_record(dir);
  if (!process.exit && this_boot) {
    // The VMM has ended, and its supervisor may still be writing the exit record.
    const core::Fd supervisor = open_pidfd(record->supervisor);
    Status recorded = Ok{};
    if (supervisor)
      recorded = limits.within_ms(options_.exit_record_ms).await(supervisor.get(), "waiting for the VMM's exit record");
    // Ask for the lock before reading the record: a supervisor that has ended in between has written it.
    const bool is_elsewhere = !supervisor && supervisor_holds_lock(dir);
    process.exit = read_exit_record(dir);
    if (!process.exit && is_elsewhere) return seen_nowhere(args.vm, dir);
    if (!process.exit && !recorded && recorded.error().code == Code::cancelled) return std::move(recorded).error();
    // Not UNAVAILABLE, which a plugin takes for a supervisor that hasn't started its VMM yet.
    if (!process.exit && !recorded)
      return make_error(Code::deadline_exceeded, "VM " + args.vm + "'s VMM has ended, and its supervisor, pid " +
                                                     std::to_string(record->supervisor.pid) +
                                                     ", hasn't recorded how yet; ask again");
    if (!process.exit) process.exit = read_begun_exit_record(dir, *record);
  }
  QARAX_CHECK(check_cgroup(args.vm));
  if (!process.exit) {
    process.exit.emplace();
    process.exit->log_tail = vmm_log_tail(dir);
  }
  return process;
}

Status ProcessService::signal(const SignalArgs& args) {
  const auto record = read_supervisor_record(run_dir(args.process.vm, args.process.incarnation));
  if (!record) return make_error(Code::not_found, "VM " + args.process.vm + " has no process");
  const core::Fd vmm = is_of_this_boot(*record) ? open_pidfd(record->vmm) : core::Fd();
  if (!vmm) return make_error(Code::not_found, "VM " + args.process.vm + "'s process has ended");
  send_signal(vmm, args.signal);
  return Ok{};
}

Result<Process> ProcessService::wait(const ProcessArgs& args, const CallLimits& limits) {
  const std::string dir = run_dir(args.vm, args.incarnation);
  QARAX_TRY(const SupervisorRecord record, read_supervisor_record(dir));
  core::Fd end;
  if (is_of_this_boot(record)) {
    end = open_pidfd(record.supervisor);
    if (!end) end = open_pidfd(record.vmm);
  }
  if (end && !read_exit_record(dir)) QARAX_CHECK(limits.await(end.get(), "waiting for VM " + args.vm + " to end"));
  return find(args, limits);
}

Status ProcessService::claim(const ClaimArgs& args) {
  if (ledger_kind(args.kind) == nullptr)
    return make_error(Code::invalid_argument, "a node doesn't look after a \"" + core::cut_text(args.kind) +
                                                  "\": what can be claimed is " + known_kinds());
  return Ledger(vm_dir(args.vm)).claim({{args.kind, args.name}});
}

Status ProcessService::release(const ClaimArgs& args) {
  return Ledger(vm_dir(args.vm)).release({{args.kind, args.name}});
}

}  // namespace qarax::agent
