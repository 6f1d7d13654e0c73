#include "cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

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
  const std::string probe = root + "/probe-" + std::to_string(::getpid());
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
  const auto events = core::read_file(folder(vm) + "/vmm/cgroup.events", 4096);
  return events && events->find("populated 1") != std::string::npos;
}

std::vector<std::string> Cgroups::folders() const {
  std::vector<std::string> out;
  std::error_code ignored;
  if (root_.empty()) return out;
  for (const auto& entry : std::filesystem::directory_iterator(root_, ignored))
    if (entry.is_directory(ignored)) out.push_back(entry.path().filename().string());
  return out;
}

Status empty_cgroup(const Cgroups& cgroups, const std::string& vm, const CallLimits& limits) {
  while (cgroups.populated(vm)) {
    cgroups.kill_all(vm);
    if (limits.deadline_ns != 0 && plugin::monotonic_ns() >= limits.deadline_ns)
      return make_error(Code::deadline_exceeded, "a process of VM " + vm + " can't be killed", "unkillable");
    ::usleep(1000);
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
