#include "vm_processes.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <set>

#include "call_limits.hpp"
#include "pidfd.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEndMs = 5'000;
constexpr int kLookMs = 5;
constexpr int kRounds = 10;
constexpr const char* kSupervisor = "qarax-supervisor";

std::vector<int> all_pids() {
  std::vector<int> out;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    int pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc{} && parsed.ptr == name.data() + name.size()) out.push_back(pid);
  }
  return out;
}

// The VM that a supervisor under `vms_dir` works for; empty: the process isn't a supervisor of this agent's VMs.
std::string vm_of(int pid, const std::string& vms_dir) {
  const auto text = core::read_file("/proc/" + std::to_string(pid) + "/cmdline", 1u << 16);
  if (!text) return {};
  const std::string start = std::string("--dir") + '\0' + vms_dir + "/";
  const std::size_t at = text->find(start);
  if (at == std::string::npos) return {};
  std::string vm = text->substr(at + start.size(), 36);
  return core::is_uuid(vm) ? vm : std::string();
}

// The VM that an agent of `vms_dir` started the process for, by its mark; empty: it has none, or can't be read.
std::string marked_vm_of(int pid, const std::string& vms_dir) {
  const auto text = core::read_file("/proc/" + std::to_string(pid) + "/environ", 1u << 20);
  if (!text) return {};
  const std::string start = '\0' + std::string(kVmMark) + "=" + vms_dir + "/";
  const std::string all = '\0' + *text + '\0';
  const std::size_t at = all.find(start);
  if (at == std::string::npos) return {};
  const std::string vm = all.substr(at + start.size(), all.find('\0', at + start.size()) - at - start.size());
  return core::is_uuid(vm) ? vm : std::string();
}

// Returns 0 if the process has ended or its /proc entry can't be read.
int parent_of(int pid) { return core::process_parent(pid).value_or(0); }

std::vector<int> children_of(int parent) {
  std::vector<int> out;
  for (const int pid : all_pids())
    if (parent_of(pid) == parent) out.push_back(pid);
  return out;
}

// `held` is the process's pidfd, so the signal can't hit the next process with that pid.
Status end_process(const core::Fd& held, int pid, const CallLimits& limits) {
  send_signal(held, SIGKILL);
  return limits.await(held.get(), "ending process " + std::to_string(pid));
}

}  // namespace

std::vector<VmProcesses::Found> VmProcesses::find() const {
  std::vector<Found> out;
  const std::vector<int> pids = all_pids();
  std::set<std::string> supervised;
  for (const int pid : pids) {
    if (!is_supervisor(pid)) continue;
    const std::string vm = vm_of(pid, vms_dir_);
    if (vm.empty()) continue;
    supervised.insert(vm);
    out.push_back({pid, vm, true});
  }
  // Processes under a supervisor end with it.
  for (const int pid : pids) {
    const std::string vm = marked_vm_of(pid, vms_dir_);
    if (!vm.empty() && !supervised.contains(vm)) out.push_back({pid, vm, false});
  }
  return out;
}

bool VmProcesses::has(const std::string& vm) const {
  const std::vector<Found> found = find();
  return std::any_of(found.begin(), found.end(), [&](const Found& one) { return one.vm == vm; });
}

Status VmProcesses::can_look() {
  const core::Fd one(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const core::Fd other(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!one || !other) return core::errno_error("a VM's processes can't be looked for", errno);
  return Ok{};
}

// Judged by its program file, whatever its arguments claim. After an upgrade " (deleted)" follows the name.
bool VmProcesses::is_supervisor(int pid) {
  std::error_code ignored;
  const std::string exe = fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", ignored).filename().string();
  return exe == kSupervisor || exe.starts_with(std::string(kSupervisor) + " ");
}

Status VmProcesses::end_supervisor(const core::Fd& held, int pid) {
  const CallLimits limits = CallLimits{}.within_ms(kEndMs);
  // The supervisor is a subreaper: what a killed child leaves behind becomes its child in the next round.
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<int> children = children_of(pid);
    if (children.empty()) break;
    for (const int child : children) {
      const core::Fd held_child = open_pidfd_of(child);
      // The supervisor hasn't ended, so `pid` is still its own, and a process with that parent is its child.
      if (held_child && parent_of(child) == pid && !has_ended(held))
        QARAX_CHECK(end_process(held_child, child, limits));
    }
  }
  return end_process(held, pid, limits);
}

Status VmProcesses::end(const Found& what) const {
  const CallLimits limits = CallLimits{}.within_ms(kEndMs);
  // Another process may have that pid by now. The pidfd comes first, so that the checks below are about its process.
  const core::Fd held = open_pidfd_of(what.pid);
  if (!held && is_shortage(errno)) return core::errno_error("can't end process " + std::to_string(what.pid), errno);
  if (!held) return Ok{};
  if (!is_supervisor(what.pid))
    return marked_vm_of(what.pid, vms_dir_) == what.vm ? end_process(held, what.pid, limits) : Status(Ok{});
  if (vm_of(what.pid, vms_dir_) != what.vm) return Ok{};
  cgroups_.kill_all(what.vm);
  return end_supervisor(held, what.pid);
}

Status VmProcesses::remove_cgroup(const std::string& vm) const {
  QARAX_CHECK(empty_cgroup(cgroups_, vm, CallLimits{}.within_ms(kEndMs)));
  // A killed process's pidfd tells of its end a moment before the kernel takes it out of its control group.
  const CallLimits limits = CallLimits{}.within_ms(leave_ms_);
  for (;; ::poll(nullptr, 0, kLookMs)) {
    const bool is_last = limits.is_over();
    if (cgroups_.remove(vm)) return Ok{};
    if (is_last) break;
  }
  return make_error(Code::internal, cgroups_.folder(vm) + " isn't empty: processes that aren't a VMM's are in it");
}

Status VmProcesses::end_all_of(const std::string& vm) const {
  QARAX_CHECK(can_look());
  const auto warn = [&](const char* kind, const std::string& name) {
    core::logger("process")->warn("ending what is left of a VM kind={} name={} vm={}", kind, core::log_value(name), vm);
  };
  // Processes that were under a supervisor appear once it is gone.
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Found> found = find();
    std::erase_if(found, [&](const Found& one) { return one.vm != vm; });
    const std::vector<std::string> folders = cgroups_.folders();
    const bool has_cgroup = std::find(folders.begin(), folders.end(), vm) != folders.end();
    if (found.empty() && !has_cgroup) return can_look();
    for (const Found& one : found) {
      warn("process", std::to_string(one.pid));
      QARAX_CHECK(end(one));
    }
    if (!has_cgroup) continue;
    warn("cgroup", cgroups_.folder(vm));
    QARAX_CHECK(remove_cgroup(vm));
  }
  return make_error(Code::internal, "processes of VM " + vm + " come up again and again");
}

}  // namespace qarax::agent
