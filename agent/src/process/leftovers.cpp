#include "leftovers.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "call_limits.hpp"
#include "folder_names.hpp"
#include "ledger.hpp"
#include "ledger_kind.hpp"
#include "pidfd.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/set_aside.hpp"

namespace qarax::agent {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEndMs = 5'000;
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

bool is_there(const LedgerEntry& entry) {
  const LedgerKind* kind = ledger_kind(entry.kind);
  return kind == nullptr || kind->is_there == nullptr || kind->is_there(entry.name);
}

// The node whose VMs' folders this is; empty: it is something else.
std::string node_set_aside(const core::Leftover& what) {
  const std::string name = fs::path(what.name).filename().string();
  return what.kind == "folder" && name.starts_with(core::kSetAside) ? name.substr(core::kSetAside.size())
                                                                    : std::string();
}

core::Leftover leftover(std::string kind, std::string name, std::string vm, std::string why) {
  core::Leftover out;
  out.kind = std::move(kind);
  out.name = std::move(name);
  out.vm = std::move(vm);
  out.why = std::move(why);
  return out;
}

}  // namespace

Status Leftovers::disown(const std::string& vm) const {
  const std::string folder = vms_dir() + "/" + vm;
  QARAX_TRY(const auto owned, Ledger(folder).owned());
  std::vector<LedgerEntry> left;
  for (const LedgerEntry& entry : owned) {
    const LedgerKind* kind = ledger_kind(entry.kind);
    // What lies in the folder is removed with it.
    if ((kind != nullptr && kind->found_by_search) || entry.name.starts_with(folder + "/")) continue;
    if (is_there(entry)) left.push_back({entry.kind, vm + " " + entry.name});
  }
  if (left.empty()) return Ok{};
  return Ledger::at(disowned_file()).claim(left);
}

void Leftovers::find_processes(std::vector<core::Leftover>& out) const {
  const std::vector<int> pids = all_pids();
  std::set<std::string> supervised;
  for (const int pid : pids) {
    if (!is_supervisor(pid)) continue;
    const std::string vm = vm_of(pid, vms_dir());
    if (vm.empty()) continue;
    supervised.insert(vm);
    out.push_back(leftover("process", std::to_string(pid), vm, "a supervisor of a VM that this node doesn't have"));
  }
  // Processes under a supervisor end with it.
  for (const int pid : pids) {
    const std::string vm = marked_vm_of(pid, vms_dir());
    if (!vm.empty() && !supervised.contains(vm))
      out.push_back(leftover("process", std::to_string(pid), vm,
                             "was started for a VM that this node doesn't have; its supervisor is gone"));
  }
}

bool Leftovers::has_processes(const std::string& vm) const {
  std::vector<core::Leftover> found;
  find_processes(found);
  return std::any_of(found.begin(), found.end(), [&](const core::Leftover& one) { return one.vm == vm; });
}

void Leftovers::find_cgroups(std::vector<core::Leftover>& out) const {
  for (const std::string& name : cgroups_.folders())
    out.push_back(leftover("cgroup", cgroups_.folder(name), core::is_uuid(name) ? name : "",
                           core::is_uuid(name) ? "a cgroup of a VM that this node doesn't have"
                                               : "a cgroup that an agent tried the hierarchy with"));
}

void Leftovers::find_folders(std::vector<core::Leftover>& out) const {
  std::error_code error;
  for (fs::directory_iterator it(vms_dir(), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const std::size_t dash = name.find('-');
    const std::string vm = dash == std::string::npos ? "" : name.substr(dash + 1);
    if (is_broken_off(name) && core::is_uuid(vm))
      out.push_back(
          leftover("folder", it->path().string(), vm, "a VM's folder whose making or removal was broken off"));
  }
  for (fs::directory_iterator it(data_dir_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(core::kSetAside))
      out.push_back(leftover("folder", it->path().string(), "",
                             "VMs' folders of another node, set aside by `qarax-node rehome`"));
  }
}

void Leftovers::find_disowned(std::vector<core::Leftover>& out) const {
  const auto entries = Ledger::at(disowned_file()).owned();
  if (!entries) {
    core::logger("process")->error("{}", entries.error().message);
    return;
  }
  std::vector<core::Leftover> there;
  for (const LedgerEntry& entry : *entries) {
    const std::string vm = entry.name.substr(0, 36);
    const LedgerEntry thing{entry.kind, entry.name.size() > 37 ? entry.name.substr(37) : ""};
    if (core::is_uuid(vm) && is_there(thing))
      there.push_back(leftover(thing.kind, thing.name, vm, "of a VM that was deleted; it could not be removed then"));
  }
  if (there.empty()) return;
  const auto claimed = claims();
  if (!claimed) {
    core::logger("process")->warn("what deleted VMs have left isn't looked for, as a VM may have it by now reason={}",
                                  core::log_value(claimed.error().message));
    return;
  }
  for (core::Leftover& one : there)
    if (!claimed->contains({one.kind, one.name})) out.push_back(std::move(one));
}

// What VMs of this node have: one of them may have made anew, under the same name, what another has left. An error:
// what a ledger that can't be read claims isn't known, so it may be anything.
Result<std::set<std::pair<std::string, std::string>>> Leftovers::claims() const {
  std::set<std::pair<std::string, std::string>> out;
  std::error_code error;
  for (fs::directory_iterator it(vms_dir(), error), end; !error && it != end; it.increment(error)) {
    if (!core::is_uuid(it->path().filename().string())) continue;
    QARAX_TRY(const auto owned, Ledger(it->path().string()).owned());
    for (const LedgerEntry& entry : owned) out.emplace(entry.kind, entry.name);
  }
  if (error) return core::errno_error("can't list " + vms_dir(), error.value());
  return out;
}

Status Leftovers::check_unclaimed(const core::Leftover& what) const {
  QARAX_TRY(const auto claimed, claims());
  if (!claimed.contains({what.kind, what.name})) return Ok{};
  return make_error(Code::failed_precondition, "another VM has made " + what.name + " anew meanwhile");
}

std::vector<core::Leftover> Leftovers::find(const IsOwned& is_owned) const {
  std::vector<core::Leftover> out;
  find_processes(out);
  find_cgroups(out);
  find_folders(out);
  find_disowned(out);
  std::erase_if(out, [&](const core::Leftover& one) {
    const std::string owner = one.vm.empty() ? node_set_aside(one) : one.vm;
    return !owner.empty() && is_owned(owner);
  });
  return out;
}

Status Leftovers::can_look() {
  const core::Fd one(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const core::Fd other(::open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!one || !other) return core::errno_error("a VM's processes can't be looked for", errno);
  return Ok{};
}

// Judged by its program file, whatever its arguments claim. After an upgrade " (deleted)" follows the name.
bool Leftovers::is_supervisor(int pid) {
  std::error_code ignored;
  const std::string exe = fs::read_symlink("/proc/" + std::to_string(pid) + "/exe", ignored).filename().string();
  return exe == kSupervisor || exe.starts_with(std::string(kSupervisor) + " ");
}

Status Leftovers::end_supervisor(const core::Fd& held, int pid) {
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

Status Leftovers::remove(const core::Leftover& what) const {
  const CallLimits limits = CallLimits{}.within_ms(kEndMs);
  std::error_code error;
  if (what.kind == "process") {
    const int pid = std::atoi(what.name.c_str());
    // Another process may have that pid by now. The pidfd comes first, so that the checks below are about its process.
    const core::Fd held = open_pidfd_of(pid);
    if (!held && is_shortage(errno)) return core::errno_error("can't end process " + what.name, errno);
    if (!held) return Ok{};
    if (!is_supervisor(pid))
      return marked_vm_of(pid, vms_dir()) == what.vm ? end_process(held, pid, limits) : Status(Ok{});
    if (vm_of(pid, vms_dir()) != what.vm) return Ok{};
    cgroups_.kill_all(what.vm);
    return end_supervisor(held, pid);
  }
  if (what.kind == "cgroup") {
    const std::string name = fs::path(what.name).filename().string();
    if (what.vm.empty()) {
      if (::rmdir(what.name.c_str()) == 0 || errno == ENOENT) return Ok{};
      return core::errno_error("can't remove " + what.name, errno);
    }
    QARAX_CHECK(empty_cgroup(cgroups_, name, limits));
    if (cgroups_.remove(name)) return Ok{};
    return make_error(Code::internal, what.name + " isn't empty: processes that aren't a VMM's are in it");
  }
  if (what.kind == "folder") {
    fs::remove_all(what.name, error);
    if (error) return make_error(Code::internal, "can't remove " + what.name + ": " + error.message());
    return Ok{};
  }
  if (const LedgerKind* kind = ledger_kind(what.kind); kind != nullptr && kind->remove != nullptr) {
    // Asked again, because the removals before this one may have taken seconds.
    QARAX_CHECK(check_unclaimed(what));
    QARAX_CHECK(kind->remove(what.name));
    return Ledger::at(disowned_file()).release({{what.kind, what.vm + " " + what.name}});
  }
  return make_error(Code::unimplemented, "this node can't remove a " + what.kind + "; remove it by hand");
}

Status Leftovers::end_all_of(const std::string& vm) const {
  QARAX_CHECK(can_look());
  // Processes that were under a supervisor appear once it is gone.
  for (int round = 0; round < kRounds; ++round) {
    std::vector<core::Leftover> found;
    find_processes(found);
    find_cgroups(found);
    std::erase_if(found, [&](const core::Leftover& one) { return one.vm != vm; });
    if (found.empty()) return can_look();
    for (const core::Leftover& one : found) {
      core::logger("process")->warn("ending what is left of a VM kind={} name={} vm={}", one.kind,
                                    core::log_value(one.name), vm);
      QARAX_CHECK(remove(one));
    }
  }
  return make_error(Code::internal, "processes of VM " + vm + " come up again and again");
}

std::vector<core::Leftover> Leftovers::collect(const IsOwned& is_owned) const {
  std::vector<core::Leftover> out = find(is_owned);
  const auto log = core::logger("process");
  for (core::Leftover& one : out) {
    const Status removed = remove(one);
    one.removed = static_cast<bool>(removed);
    if (!removed) one.problem = removed.error().message;
    log->warn("a leftover was {} kind={} name={} vm={}", removed ? "removed" : "not removed", one.kind,
              core::log_value(one.name), one.vm);
  }
  return out;
}

}  // namespace qarax::agent
