// What can be found out about KVM without running a guest.
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "accelerator.hpp"

namespace qarax::plugin {

namespace {

constexpr int kApiVersion = 12;  // KVM_API_VERSION of linux/kvm.h: the only stable one there has ever been

// The name of the entry that `look_up`, getpwuid_r or the like, finds for the id; the number if there is none. Other
// plugins and the host look up users at the same time, so the functions that keep the entry themselves won't do.
template <class Entry, class Id>
std::string name_of(Id id, int (*look_up)(Id, Entry*, char*, std::size_t, Entry**), char* Entry::*name) {
  constexpr std::size_t kMost = 1 << 20;  // a group's entry has all its members
  std::vector<char> room(1024);
  Entry entry{};
  Entry* found = nullptr;
  while (look_up(id, &entry, room.data(), room.size(), &found) == ERANGE && room.size() < kMost)
    room.resize(room.size() * 4);
  return found != nullptr ? found->*name : std::to_string(id);
}

std::string own_name() { return name_of(::geteuid(), &::getpwuid_r, &passwd::pw_name); }

// The group that may open the device, for `usermod -aG`; "kvm" if it is unknown or root.
std::string group_of(const char* device) {
  struct stat info {};
  if (::stat(device, &info) != 0 || info.st_gid == 0) return "kvm";
  return name_of(info.st_gid, &::getgrgid_r, &group::gr_name);
}

bool cpu_has_virtualisation() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (!line.starts_with("flags")) continue;
    line += ' ';
    return line.find(" vmx ") != std::string::npos || line.find(" svm ") != std::string::npos;
  }
  return false;
}

}  // namespace

KvmFacts kvm_without_vm(const std::string& device, int vm_errno) {
  const std::string what = device + " opens, but can't make a VM";
  if (vm_errno == EBUSY)
    return {what + ": another hypervisor, such as VirtualBox, has the CPU's virtualisation; end its VMs", "", true};
  return {what + " (errno " + std::to_string(vm_errno) + ")", ""};
}

KvmFacts look_at_kvm(const char* device) {
  const int fd = ::open(device, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    const std::string name = device;
    if (errno == ENOENT)
      return {
          "there is no " + name + ": the host has no KVM, or its module isn't loaded (modprobe kvm_intel or kvm_amd)",
          "", true};
    if (errno == EACCES || errno == EPERM)
      return {"no right to open " + name + ": run `sudo usermod -aG " + group_of(device) + " " + own_name() +
                  "`, log in again and restart the node",
              "", true};
    return {name + " doesn't open (errno " + std::to_string(errno) + ")", ""};
  }
  const int version = ::ioctl(fd, KVM_GET_API_VERSION, 0);
  const int vm = version == kApiVersion ? ::ioctl(fd, KVM_CREATE_VM, 0) : -1;
  const int vm_errno = errno;
  if (vm >= 0) ::close(vm);
  ::close(fd);
  if (version != kApiVersion)
    return {
        std::string(device) + " has API version " + std::to_string(version) + ", not " + std::to_string(kApiVersion),
        ""};
  if (vm < 0) return kvm_without_vm(device, vm_errno);
  std::string seen = std::string(device) + " opens, API " + std::to_string(version) + ", a VM can be made";
  seen += cpu_has_virtualisation() ? ", the CPU has vmx or svm" : ", but the CPU shows neither vmx nor svm";
  return {"", seen};
}

}  // namespace qarax::plugin
