#include "ledger.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "ledger_kind.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {
std::string line(char sign, const LedgerEntry& entry) {
  return std::string(1, sign) + '\t' + entry.kind + '\t' + entry.name + '\n';
}
}  // namespace

Status Ledger::append(char sign, const std::vector<LedgerEntry>& entries) {
  std::string lines;
  for (const auto& [kind, name] : entries) {
    if (kind.empty() || (kind + name).find_first_of("\n\t") != std::string::npos)
      return make_error(Code::invalid_argument, "a claim's kind and name must have no tabs or line breaks");
    lines.append(line(sign, {kind, name}));
  }
  // What a loss of power ends anyway needs no record that survives it.
  const bool outlives_host = std::any_of(entries.begin(), entries.end(), [](const LedgerEntry& entry) {
    const LedgerKind* kind = ledger_kind(entry.kind);
    return kind == nullptr || kind->outlives_host;
  });
  const auto failed = [&] { return core::errno_error("can't record what the VM owns in " + path_, errno); };
  QARAX_TRY(core::Fd fd, locked());
  QARAX_TRY(std::int64_t whole, whole_lines(fd.get()));
  // Try it each time another kCompactFrom bytes are full. If most of the file is in use it keeps its length.
  const auto lines_end = whole + static_cast<std::int64_t>(lines.size());
  if (whole / kCompactFrom != lines_end / kCompactFrom) {
    if (const Status shorter = compact(whole); !shorter)
      core::logger("process")->warn("a ledger stays as long as it is reason={}",
                                    core::log_value(shorter.error().message));
    fd.reset();
    QARAX_TRY(fd, locked());
    QARAX_TRY(whole, whole_lines(fd.get()));
  }
  if (const ssize_t n = ::write(fd.get(), lines.data(), lines.size()); n != static_cast<ssize_t>(lines.size())) {
    const int why = n < 0 ? errno : ENOSPC;           // a partial write sets no errno, so the disk is full
    static_cast<void>(::ftruncate(fd.get(), whole));  // if that fails too, the next append cuts it off
    errno = why;
    return failed();
  }
  if (!outlives_host) return Ok{};
  if (::fdatasync(fd.get()) != 0) return failed();
  return whole > 0 ? Status(Ok{}) : core::sync_folder(std::filesystem::path(path_).parent_path().string());
}

// The lock keeps whole_lines() from cutting off another thread's half-written line: deletes of different VMs append to
// one file. A thread that waited for a file that was replaced meanwhile opens the new one.
Result<core::Fd> Ledger::locked() const {
  for (;;) {
    core::Fd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!fd || ::flock(fd.get(), LOCK_EX) != 0)
      return core::errno_error("can't record what the VM owns in " + path_, errno);
    struct stat here {};
    struct stat named {};
    if (::fstat(fd.get(), &here) == 0 && ::stat(path_.c_str(), &named) == 0 && here.st_ino == named.st_ino) return fd;
  }
}

Status Ledger::compact(std::int64_t size) const {
  QARAX_TRY(const auto entries, owned());
  const std::string folder = std::filesystem::path(path_).parent_path().string() + "/";
  std::string text;
  for (const auto& entry : entries) {
    struct stat ignored {};
    if (entry.name.starts_with(folder) && ::lstat(entry.name.c_str(), &ignored) != 0 && errno == ENOENT) continue;
    text.append(line('+', entry));
  }
  if (static_cast<std::int64_t>(text.size()) > size / 2) return Ok{};
  return core::write_file_durably(path_, text);
}

// A partial line left by a crash or a full disk was never acknowledged. Cutting it off lets the next line begin at a
// line start.
Result<std::int64_t> Ledger::whole_lines(int fd) const {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(fd, &last, 1, size - 1) != 1) return core::errno_error("can't read " + path_, errno);
  if (last == '\n') return std::int64_t{size};
  QARAX_TRY(const std::string text, core::read_file(path_));
  const auto whole = static_cast<std::int64_t>(text.rfind('\n') + 1);  // no line break: 0
  if (::ftruncate(fd, whole) != 0) return core::errno_error("can't mend " + path_, errno);
  return whole;
}

Result<std::vector<LedgerEntry>> Ledger::owned() const {
  auto text = core::read_file(path_);
  if (!text && text.error().code == Code::not_found) return std::vector<LedgerEntry>{};
  if (!text) return std::move(text).error();
  std::vector<LedgerEntry> out;
  std::size_t at = 0;
  for (std::size_t end = text->find('\n'); end != std::string::npos; at = end + 1, end = text->find('\n', at)) {
    const std::string one = text->substr(at, end - at);
    const std::size_t tab = one.find('\t', 2);
    if (one.size() < 4 || one[1] != '\t' || tab == std::string::npos) continue;
    const LedgerEntry entry{one.substr(2, tab - 2), one.substr(tab + 1)};
    std::erase(out, entry);
    if (one[0] == '+') out.push_back(entry);
  }
  return out;
}

}  // namespace qarax::agent
