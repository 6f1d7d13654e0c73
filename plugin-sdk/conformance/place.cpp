#include "place.hpp"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <map>

#include "ledger.hpp"
#include "ledger_kind.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/plugin/process_stat.hpp"

namespace qarax::conformance {

namespace {

namespace fs = std::filesystem;

struct Stat {
  int parent = 0;
  char state = 'Z';
};
std::map<int, Stat> all_processes() {
  std::map<int, Stat> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator("/proc", ec)) {
    const std::string name = entry.path().filename().string();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
    const auto text = core::read_file(entry.path().string() + "/stat", 4096);
    if (!text) continue;
    const std::string_view state = plugin::process_stat_field(*text, 3);
    const auto parent = plugin::process_stat_number(*text, 4);
    if (!state.empty() && parent) out[std::atoi(name.c_str())] = {static_cast<int>(*parent), state.front()};
  }
  return out;
}

std::string command_of(int pid) {
  auto text = core::read_file("/proc/" + std::to_string(pid) + "/cmdline", 200);
  if (!text) return "?";
  std::replace(text->begin(), text->end(), '\0', ' ');
  return *text;
}

void in_folder(const std::string& folder, const char* what, std::vector<std::string>& out) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) out.push_back(what + entry.path().string());
}

// Where nothing tells whether the thing is there, the plugin isn't blamed. Processes and cgroups are counted directly.
bool is_left(const agent::LedgerEntry& entry) {
  const agent::LedgerKind* kind = agent::ledger_kind(entry.kind);
  return kind != nullptr && kind->is_there != nullptr && kind->is_there(entry.name);
}

}  // namespace

Result<Place> make_place() {
  const char* tmp = std::getenv("TMPDIR");
  std::string pattern = std::string(tmp != nullptr && *tmp == '/' ? tmp : "/tmp") + "/qarax-check-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return core::errno_error("can't make a folder like " + pattern, errno);
  Place out;
  out.root = pattern;
  out.cgroups = agent::Cgroups::detect("qarax-check-" + pattern.substr(pattern.size() - 6));
  for (int i = 0; i < kVms; ++i) out.vm_ids.push_back(core::new_uuid());
  for (const std::string& folder : {out.vms(), out.state(), out.tmp(), out.cwd()})
    QARAX_CHECK(core::make_folder(folder));
  QARAX_CHECK(core::write_file_durably(out.empty_kernel(), ""));
  return out;
}

void remove_place(const Place& place) {
  constexpr int kTries = 500;
  for (const std::string& vm : place.vm_ids)
    // A process becomes a zombie slightly before its cgroup counts it as ended.
    for (int i = 0; i < kTries && !place.cgroups.remove(vm); ++i) ::poll(nullptr, 0, 10);
  place.cgroups.leave();
  std::error_code ec;
  fs::remove_all(place.root, ec);
}

std::vector<int> descendants(int pid) {
  const auto all = all_processes();
  std::vector<int> out;
  std::vector<int> open{pid};
  while (!open.empty()) {
    const int parent = open.back();
    open.pop_back();
    for (const auto& [child, stat] : all) {
      if (stat.parent != parent) continue;
      open.push_back(child);
      if (stat.state != 'Z' && stat.state != 'X') out.push_back(child);
    }
  }
  return out;
}

std::vector<std::string> leftovers(const Place& place, int root_pid) {
  std::vector<std::string> out;
  for (const int pid : descendants(root_pid)) out.push_back("process " + std::to_string(pid) + " " + command_of(pid));
  std::error_code ec;
  for (const std::string& vm : place.vm_ids) {
    if (place.cgroups.available() && fs::exists(place.cgroups.folder(vm), ec))
      out.push_back("cgroup " + place.cgroups.folder(vm));
    for (fs::recursive_directory_iterator it(place.vms() + "/" + vm + "/run", ec), end; !ec && it != end;
         it.increment(ec))
      if (it->is_socket(ec) && it->path().filename() != "control.sock") out.push_back("socket " + it->path().string());
    if (const auto owned = agent::Ledger(place.vms() + "/" + vm).owned())
      for (const auto& entry : *owned)
        if (is_left(entry)) out.push_back("claimed " + entry.kind + " " + entry.name);
  }
  in_folder(place.tmp(), "temporary file ", out);
  in_folder(place.cwd(), "file in the working folder ", out);
  return out;
}

std::string listed(const std::vector<std::string>& things) {
  std::string out;
  for (const auto& thing : things) out.append(out.empty() ? "" : ", ").append(thing);
  return out;
}

}  // namespace qarax::conformance
