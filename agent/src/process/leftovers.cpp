#include "leftovers.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "folder_names.hpp"
#include "ledger.hpp"
#include "ledger_kind.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/core/set_aside.hpp"

namespace qarax::agent {

namespace {

namespace fs = std::filesystem;

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
  auto owned = Ledger(folder).owned();
  if (!owned && owned.error().code == Code::resource_exhausted) return std::move(owned).error();
  if (!owned) {
    core::logger("process")->error("what a deleted VM leaves behind isn't known vm={} reason={}", vm,
                                   core::log_value(owned.error().message));
    return Ok{};
  }
  std::vector<LedgerEntry> left;
  for (const LedgerEntry& entry : *owned) {
    const LedgerKind* kind = ledger_kind(entry.kind);
    // What lies in the folder is removed with it.
    if ((kind != nullptr && kind->found_by_search) || entry.name.starts_with(folder + "/")) continue;
    if (is_there(entry)) left.push_back({entry.kind, vm + " " + entry.name});
  }
  if (left.empty()) return Ok{};
  return Ledger::at(disowned_file()).claim(left);
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

std::vector<Leftovers::Thing> Leftovers::search(const IsOwned& is_owned) const {
  std::vector<Thing> out;
  for (VmProcesses::Found& one : processes_.find()) {
    core::Leftover shown = leftover("process", std::to_string(one.pid), one.vm,
                                    one.supervisor ? "a supervisor of a VM that this node doesn't have"
                                                   : "was started for a VM that this node doesn't have; its "
                                                     "supervisor is gone");
    out.push_back({std::move(shown), std::move(one)});
  }
  std::vector<core::Leftover> others;
  find_cgroups(others);
  find_folders(others);
  find_disowned(others);
  for (core::Leftover& one : others) out.push_back({std::move(one), std::nullopt});
  std::erase_if(out, [&](const Thing& one) {
    const std::string owner = one.shown.vm.empty() ? node_set_aside(one.shown) : one.shown.vm;
    return !owner.empty() && is_owned(owner);
  });
  return out;
}

std::vector<core::Leftover> Leftovers::find(const IsOwned& is_owned) const {
  std::vector<core::Leftover> out;
  for (Thing& one : search(is_owned)) out.push_back(std::move(one.shown));
  return out;
}

Status Leftovers::remove(const Thing& thing) const {
  const core::Leftover& what = thing.shown;
  if (thing.process) return processes_.end(*thing.process);
  if (what.kind == "cgroup") {
    if (!what.vm.empty()) return processes_.remove_cgroup(what.vm);
    if (::rmdir(what.name.c_str()) == 0 || errno == ENOENT) return Ok{};
    return core::errno_error("can't remove " + what.name, errno);
  }
  if (what.kind == "folder") {
    std::error_code error;
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

std::vector<core::Leftover> Leftovers::collect(const IsOwned& is_owned) const {
  std::vector<core::Leftover> out;
  const auto log = core::logger("process");
  for (Thing& thing : search(is_owned)) {
    const Status removed = remove(thing);
    core::Leftover& one = out.emplace_back(std::move(thing.shown));
    one.removed = static_cast<bool>(removed);
    if (!removed) one.problem = removed.error().message;
    log->warn("a leftover was {} kind={} name={} vm={}", removed ? "removed" : "not removed", one.kind,
              core::log_value(one.name), one.vm);
  }
  return out;
}

}  // namespace qarax::agent
