#include "status.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace qarax::qemu {

namespace {
constexpr std::string_view kNeverRan = "its start was interrupted before the guest ran";
}

Result<Handle> read_handle(const VmArgs& args) {
  const auto parsed = json::parse(args.handle.text);
  const auto* format = parsed ? parsed->find("format") : nullptr;
  const auto* vmm = parsed ? parsed->find("vmm") : nullptr;
  if (format == nullptr || format->as_int() == nullptr || vmm == nullptr || vmm->as_string() == nullptr ||
      *vmm->as_string() != "qemu")
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the qemu plugin");
  if (*format->as_int() > kHandleFormat)
    return make_error(Code::failed_precondition, "VM " + args.vm +
                                                     " was started by a newer qemu plugin (handle format " +
                                                     std::to_string(*format->as_int()) + ", this one knows " +
                                                     std::to_string(kHandleFormat) + "); upgrade this node's plugin");
  auto handle = decode<Handle>(std::string_view(args.handle.text), Unknown::ignore);
  if (!handle) return make_error(Code::not_found, "VM " + args.vm + "'s handle: " + handle.error().message);
  return handle;
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return {};
  const std::size_t before = text.rfind('\n', end);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  std::string line = text.substr(begin, std::min<std::size_t>(end - begin + 1, 200));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return line;
}

VmStatus ended(const Process& process, const Handle* handle) {
  VmStatus status;
  status.state = VmState::shutdown;
  status.exit = process.exit;
  if (handle != nullptr) {
    status.accelerator = handle->accelerator;
    status.accelerator_evidence = handle->evidence;
  }
  if (!process.exit) return status;
  const ExitInfo& exit = *process.exit;
  const std::string last = last_line(exit.log_tail);
  switch (exit.kind) {
    case ExitKind::exited:
      status.status_reason =
          exit.code == 0 ? "the guest powered off"
                         : "QEMU exited with code " + std::to_string(exit.code) + (last.empty() ? "" : ": " + last);
      break;
    case ExitKind::signaled:
      status.status_reason = "QEMU was killed by signal " + std::to_string(exit.signal);
      break;
    case ExitKind::unknown:
      status.status_reason = "QEMU is gone and nothing recorded how it ended (supervisor lost)";
      break;
  }
  return status;
}

VmStatus alive(const std::string& said, const Handle& handle) {
  VmStatus status;
  status.accelerator = handle.accelerator;
  status.accelerator_evidence = handle.evidence;
  status.live.text = "{\"accelerator\":" + json::to_text(json::Value(handle.accelerator)) +
                     ",\"machine\":" + json::to_text(json::Value(handle.machine)) + "}";
  if (said == "running") {
    status.state = VmState::running;
    status.can = {"pause", "reboot", "stop"};
    return status;
  }
  // Whatever else QEMU is in, the guest's vCPUs stand still.
  status.state = VmState::paused;
  status.can = {"resume", "stop"};
  if (said == "paused") return status;
  if (said == "io-error") {
    status.status_reason = "QEMU paused the VM after an I/O error; resume tries again";
  } else if (said == "internal-error") {
    status.status_reason = "QEMU paused the VM after an internal error; only stop helps";
    status.can = {"stop"};
  } else if (said == "guest-panicked") {
    status.status_reason = "the guest panicked";
    status.can = {"stop"};
  } else if (said == "shutdown") {
    status.status_reason = "the guest has powered off and QEMU is ending";
    status.can = {"stop"};
  } else if (said == "prelaunch") {
    status.status_reason = kNeverRan;
    status.can = {"stop"};
  } else {
    status.status_reason = "QEMU says " + json::repair_utf8(said.substr(0, 64));
  }
  return status;
}

bool is_prelaunch(const VmStatus& status) {
  return status.state == VmState::paused && status.status_reason == kNeverRan;
}

Result<Counters> process_counters(const std::string& stat, const std::string& vm) {
  // The name may hold anything, a ')' too; after the last one come the state, field 3, and numbers.
  const std::size_t name_end = stat.rfind(')');
  std::vector<std::int64_t> fields;  // from field 4 on
  if (name_end != std::string::npos && name_end + 3 < stat.size()) {
    const char* cursor = stat.c_str() + name_end + 3;
    char* end = nullptr;
    for (std::int64_t value = std::strtoll(cursor, &end, 10); end != cursor; value = std::strtoll(cursor, &end, 10)) {
      fields.push_back(value);
      cursor = end;
    }
  }
  constexpr std::size_t kFirst = 4;
  if (fields.size() <= 24 - kFirst) return make_error(Code::unavailable, "VM " + vm + " has just ended");
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  Counters out;
  out.counters.push_back({"cpu.time", (fields[14 - kFirst] + fields[15 - kFirst]) * tick_ns, "ns"});
  out.counters.push_back({"memory.resident", fields[24 - kFirst] * ::sysconf(_SC_PAGESIZE), "bytes"});
  return out;
}

}  // namespace qarax::qemu
