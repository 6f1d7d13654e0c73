#include "cgroup.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kEmptyMs = 60'000;  // from SIGKILL until all have ended; with much memory that takes a while
constexpr std::int64_t kAgainMs = 100;     // time after which the remaining ones are killed again

std::string events_file(const Cgroups& cgroups, const std::string& vm) {
  return cgroups.folder(vm) + "/vmm/cgroup.events";
}
bool says_populated(const core::Fd& events) {
  char text[4096];
  const ssize_t n = ::pread(events.get(), text, sizeof text, 0);
  return n > 0 && std::string_view(text, static_cast<std::size_t>(n)).find("populated 1") != std::string_view::npos;
}

bool make(const std::string& path) { return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST; }
bool gone(const std::string& path) { return ::rmdir(path.c_str()) == 0 || errno == ENOENT; }

// Mount point plus own path of the version 2 hierarchy; works hybrid, unified and in a cgroup namespace.
std::string own_folder(const std::string& proc) {
  const auto mounts = core::read_file(proc + "/mounts", 1u << 20);
  const auto groups = core::read_file(proc + "/cgroup", 1u << 16);
  if (!mounts || !groups) return {};
  std::string mount;
  std::istringstream lines(*mounts);
  std::string device;
  std::string point;
  std::string type;
  std::string rest;
  while (lines >> device >> point >> type && std::getline(lines, rest))
    if (type == "cgroup2") mount = point;
  const std::size_t at = groups->find("0::");
  if (mount.empty() || at == std::string::npos) return {};
  std::string path = groups->substr(at + 3, groups->find('\n', at) - at - 3);
  if (path == "/") path.clear();
  return mount + path;
}

}  // namespace

Cgroups Cgroups::detect(const std::string& subtree, const std::string& proc) {
  std::string base = own_folder(proc);
  if (base.empty()) return none();
  const std::string root = base + "/" + subtree;
  const std::string probe = root + "/probe";  // one name, so that the next agent removes what a killed one has left
  const bool works = make(root) && make(probe) && ::access((probe + "/cgroup.procs").c_str(), W_OK) == 0;
  gone(probe);
  if (!works) gone(root);
  return Cgroups(works ? root : std::string());
}

std::string Cgroups::folder(const std::string& vm) const { return root_.empty() ? std::string() : root_ + "/" + vm; }

bool Cgroups::kill_all(const std::string& vm) const {
  if (root_.empty()) return false;
  const core::Fd fd(::open((folder(vm) + "/vmm/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), "1", 1) == 1;
}

void Cgroups::leave() const {
  if (!root_.empty()) gone(root_);
}

bool Cgroups::populated(const std::string& vm) const {
  if (root_.empty()) return false;
  return says_populated(core::Fd(::open(events_file(*this, vm).c_str(), O_RDONLY | O_CLOEXEC)));
}

std::vector<std::string> Cgroups::folders() const {
  std::vector<std::string> out;
  std::error_code ignored;
  std::error_code error;
  if (root_.empty()) return out;
  for (std::filesystem::directory_iterator it(root_, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(ignored)) out.push_back(it->path().filename().string());
  return out;
}

Status empty_cgroup(const Cgroups& cgroups, const std::string& vm, const CallLimits& limits) {
  if (!cgroups.available()) return Ok{};
  const core::Fd events(::open(events_file(cgroups, vm).c_str(), O_RDONLY | O_CLOEXEC));
  if (!events && errno != ENOENT && errno != ENOTDIR)
    return core::errno_error("can't look into the control group of VM " + vm, errno);
  const std::int64_t until = limits.within_ms(kEmptyMs).deadline_ns;
  while (says_populated(events)) {
    cgroups.kill_all(vm);
    if (limits.is_cancelled()) return make_error(Code::cancelled, "ending VM " + vm + " was cancelled");
    const std::int64_t left_ms = (until - plugin::monotonic_ns()) / 1'000'000;
    if (left_ms <= 0)
      return make_error(Code::deadline_exceeded, "a process of VM " + vm + " can't be killed", "unkillable");
    // POLLPRI: cgroup.events has changed since it was last read.
    pollfd changed[] = {{events.get(), POLLPRI, 0}, {limits.cancel_fd, POLLIN, 0}};
    ::poll(changed, 2, static_cast<int>(std::min(left_ms, kAgainMs)));
  }
  return Ok{};
}

bool Cgroups::remove(const std::string& vm) const {
  if (root_.empty()) return true;
  const std::string base = folder(vm);
  const bool leaves = gone(base + "/vmm") & gone(base + "/sup");
  return leaves && gone(base);
}

}  // namespace qarax::agent
