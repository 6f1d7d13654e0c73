#include "records.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "qarax/core/ids.hpp"
#include "qarax/plugin/json.hpp"
#include "redact.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kLogTail = 4096;

std::int64_t integer(const json::Value& document, std::string_view key) {
  const auto* value = document.find(key);
  return value != nullptr && value->as_int() != nullptr ? *value->as_int() : 0;
}
std::string text(const json::Value& document, std::string_view key) {
  const auto* value = document.find(key);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

Result<json::Value> record_in(std::string_view content, const std::string& path) {
  auto parsed = json::parse(content);
  if (!parsed || parsed->as_object() == nullptr)
    return make_error(Code::data_loss, path + " is damaged", "vm-folder-damaged");
  if (integer(*parsed, "min_reader") > kFormat)
    return make_error(Code::data_loss,
                      path + " was written by a newer supervisor (needs reader " +
                          std::to_string(integer(*parsed, "min_reader")) + "); upgrade this node",
                      "node-outdated");
  return parsed;
}

Result<json::Value> read_record(const std::string& path) {
  QARAX_TRY(const std::string content, core::read_file(path, 65536));
  return record_in(content, path);
}

ExitInfo exit_in(const json::Value& document, const std::string& run_dir) {
  ExitInfo exit;
  exit.kind = text(document, "kind") == "signaled" ? ExitKind::signaled
              : text(document, "kind") == "exited" ? ExitKind::exited
                                                   : ExitKind::unknown;
  exit.code = static_cast<std::int32_t>(integer(document, "code"));
  exit.signal = static_cast<std::int32_t>(integer(document, "signal"));
  if (std::string at = text(document, "at"); !at.empty()) exit.at = std::move(at);
  exit.log_tail = vmm_log_tail(run_dir);
  return exit;
}

}  // namespace

bool is_of_this_boot(const SupervisorRecord& record) { return record.boot_id == core::boot_id(); }

Result<SupervisorRecord> read_supervisor_record(const std::string& run_dir) {
  QARAX_TRY(const json::Value document, read_record(run_dir + "/supervisor.json"));
  SupervisorRecord out;
  out.vmm = {static_cast<std::int32_t>(integer(document, "vmm_pid")), integer(document, "vmm_start_time")};
  out.supervisor = {static_cast<std::int32_t>(integer(document, "supervisor_pid")),
                    integer(document, "supervisor_start_time")};
  out.boot_id = text(document, "boot_id");
  out.started_at = text(document, "started_at");
  if (out.vmm.pid <= 0 || out.supervisor.pid <= 0)
    return make_error(Code::data_loss, run_dir + "/supervisor.json names no process", "vm-folder-damaged");
  return out;
}

Result<SupervisorRecord> settled_supervisor_record(const std::string& dir, const CallLimits& limits) {
  for (;;) {
    const bool is_starting = supervisor_holds_lock(dir);
    auto record = read_supervisor_record(dir);
    if (record || record.error().code != Code::not_found || !is_starting) return record;
    if (limits.is_over())
      return make_error(Code::unavailable, "a supervisor of the VM is up and has written nothing yet");
    if (limits.is_cancelled())
      return make_error(Code::cancelled, "waiting for a supervisor's record of its VMM was cancelled");
    ::usleep(1000);
  }
}

std::optional<ExitInfo> read_exit_record(const std::string& run_dir) {
  const auto document = read_record(run_dir + "/exit.json");
  if (!document) return std::nullopt;
  return exit_in(*document, run_dir);
}

std::optional<ExitInfo> read_begun_exit_record(const std::string& run_dir, const SupervisorRecord& of) {
  const std::string path = run_dir + "/exit.json.tmp";
  const auto content = core::read_file(path, 65536);
  // The file has its size from the start. What the record doesn't fill yet are zeros.
  const std::size_t end = content ? content->find('\n') : std::string::npos;
  if (end == std::string::npos) return std::nullopt;
  const auto document = record_in(std::string_view(*content).substr(0, end), path);
  if (!document || integer(*document, "vmm_pid") != of.vmm.pid ||
      integer(*document, "vmm_start_time") != of.vmm.start_time || text(*document, "boot_id") != of.boot_id)
    return std::nullopt;
  return exit_in(*document, run_dir);
}

Result<std::optional<std::int32_t>> supervisor_lock_holder(const std::string& run_dir) {
  using Holder = std::optional<std::int32_t>;
  const core::Fd fd(::open((run_dir + "/supervisor.lock").c_str(), O_RDONLY | O_CLOEXEC));
  // Only a missing file means that nobody holds the lock. Without a free descriptor nothing is known.
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return Holder();
  const auto unknown = [&] { return core::errno_error("can't ask who has " + run_dir + "/supervisor.lock", errno); };
  if (!fd) return unknown();
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) return unknown();
  if (lock.l_type == F_UNLCK) return Holder();
  return Holder(std::max<std::int32_t>(lock.l_pid, 0));
}

bool supervisor_holds_lock(const std::string& run_dir) {
  const auto holder = supervisor_lock_holder(run_dir);
  return !holder || holder->has_value();
}

std::string vmm_log_tail(const std::string& run_dir) {
  std::string tail = core::read_tail(run_dir + "/vmm.log", kLogTail);
  // The supervisor may cut the log right after the VMM's end. The VMM's last lines are then in the older file.
  if (tail.size() < kLogTail) tail.insert(0, core::read_tail(run_dir + "/vmm.log.1", kLogTail - tail.size()));
  tail = json::repair_utf8(tail);
  // A run folder is <data_dir>/vms/<id>/….
  hide_folder(tail, std::string_view(run_dir).substr(0, run_dir.rfind("/vms/")));
  return tail;
}

}  // namespace qarax::agent
