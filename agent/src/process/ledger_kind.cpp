#include "ledger_kind.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {

bool is_path(const std::string& name) {
  struct stat ignored {};
  return ::lstat(name.c_str(), &ignored) == 0;
}

bool is_device(const std::string& name) { return is_path("/sys/class/net/" + name); }

bool is_mounted(const std::string& name) {
  const auto mounts = core::read_file("/proc/self/mounts", 1u << 20);
  return mounts && mounts->find(" " + name + " ") != std::string::npos;
}

Status unlink_path(const std::string& name) {
  if (::unlink(name.c_str()) == 0 || errno == ENOENT) return Ok{};
  return core::errno_error("can't remove " + name, errno);
}

constexpr LedgerKind kKinds[] = {
    {"process", false, true, nullptr, nullptr},
    {"cgroup", false, true, nullptr, nullptr},
    // After a loss of power a socket's name is there still, but nobody listens.
    {"socket", false, false, is_path, unlink_path},
    {"file", true, false, is_path, unlink_path},
    {"tap", false, false, is_device, nullptr},
    {"mount", false, false, is_mounted, nullptr},
    {"volume", true, false, nullptr, nullptr},
};

}  // namespace

std::span<const LedgerKind> ledger_kinds() { return kKinds; }

const LedgerKind* ledger_kind(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const LedgerKind& kind) { return kind.name == name; });
  return found != std::end(kKinds) ? found : nullptr;
}

std::string known_kinds() {
  std::string out;
  for (const LedgerKind& kind : kKinds) out.append(out.empty() ? "" : ", ").append(kind.name);
  return out;
}

}  // namespace qarax::agent
