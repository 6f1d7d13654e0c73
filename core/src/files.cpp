#include "qarax/core/files.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "qarax/plugin/json.hpp"
#include "qarax/plugin/process_stat.hpp"

namespace qarax::core {

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Error errno_error(std::string_view what, int error) {
  struct Known {
    int error;
    Code code;
    std::string_view reason;
  };
  constexpr Known kKnown[] = {{ENOENT, Code::not_found, "host-file-missing"},
                              {EACCES, Code::permission_denied, "host-permission"},
                              {EPERM, Code::permission_denied, "host-permission"},
                              {EROFS, Code::permission_denied, "disk-read-only"},
                              {ENOSPC, Code::resource_exhausted, "disk-full"},
                              {EDQUOT, Code::resource_exhausted, "disk-full"},
                              {EMFILE, Code::resource_exhausted, "host-limit"},
                              {ENFILE, Code::resource_exhausted, "host-limit"},
                              {EAGAIN, Code::resource_exhausted, "host-limit"},
                              {ENOMEM, Code::resource_exhausted, "host-memory"},
                              {EIO, Code::internal, "disk-broken"}};
  const std::string text = std::string(what) + ": " + std::generic_category().message(error);
  for (const Known& known : kKnown)
    if (known.error == error) return make_error(known.code, text, std::string(known.reason));
  return make_error(Code::internal, text);
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("can't read " + path, errno);
  std::string out;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("can't read " + path, errno);
    if (n == 0) return out;
    if (out.size() + static_cast<std::size_t>(n) > limit)
      return make_error(Code::out_of_range, path + " is larger than " + std::to_string(limit) + " bytes");
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Fd open_regular(const std::string& path) {
  // A compromised VMM may have replaced its log by anything: don't wait for a pipe, don't follow a link.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return fd;
}

std::string read_tail(const Fd& file, std::size_t limit) {
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return {};
  const auto size = static_cast<std::size_t>(info.st_size);
  const std::size_t want = size < limit ? size : limit;
  std::string out(want, '\0');
  const ssize_t n = ::pread(file.get(), out.data(), want, static_cast<off_t>(size - want));
  out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return out;
}

std::string read_tail(const std::string& path, std::size_t limit) { return read_tail(open_regular(path), limit); }

Status sync_folder(const std::string& path) {
  const std::string folder = path.empty() ? "." : path;  // the parent of a bare file name
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return errno_error("can't sync folder " + folder, errno);
  return Ok{};
}

Status write_file_durably(const std::string& path, std::string_view content, unsigned mode, Fd* written) {
  static std::atomic<unsigned> counter{0};
  const std::string temp = path + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1));
  Fd fd(::open(temp.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, static_cast<mode_t>(mode)));
  if (!fd) return errno_error("can't write " + temp, errno);
  const auto fail = [&temp](const std::string& what, int error) {
    ::unlink(temp.c_str());
    return errno_error("can't write " + what, error);
  };
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(temp, errno);
    done += static_cast<std::size_t>(n);
  }
  if (::fsync(fd.get()) != 0) return fail(temp, errno);
  if (::rename(temp.c_str(), path.c_str()) != 0) return fail(path, errno);
  if (written != nullptr) *written = std::move(fd);
  return sync_folder(std::filesystem::path(path).parent_path().string());
}

namespace {
// True for a name that write_file_durably() gives its temp files: NAME.tmpPID.N
bool is_half_written(std::string_view name) {
  const auto digits = [&] {
    const std::size_t rest = name.find_last_not_of("0123456789") + 1;
    const bool any = rest < name.size();
    name.remove_suffix(name.size() - rest);
    return any;
  };
  if (!digits() || !name.ends_with('.')) return false;
  name.remove_suffix(1);
  return digits() && name.ends_with(".tmp") && name.size() > 4;
}
}  // namespace

void remove_half_written(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (is_half_written(entry.path().filename().string())) std::filesystem::remove(entry.path(), ignored);
}

std::int64_t min_reader(std::string_view document) {
  const auto parsed = json::parse(document);
  const json::Value* said = parsed && parsed->as_object() != nullptr ? parsed->find("min_reader") : nullptr;
  return said != nullptr && said->as_int() != nullptr ? *said->as_int() : 0;
}

namespace {
// Makes the last folder of the path only. NOT_FOUND: there is no parent, or a file system such as /proc, which takes no
// folders, says so.
Status make_one(const std::string& path, const std::string& parent, unsigned mode, bool sync) {
  if (::mkdir(path.c_str(), static_cast<mode_t>(mode)) == 0) return sync ? sync_folder(parent) : Status(Ok{});
  const int error = errno;
  if (error != EEXIST) return errno_error("can't make folder " + path, error);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Ok{};
  return make_error(Code::failed_precondition, path + " is in the way: it isn't a folder", "host-path-taken");
}

Status make_folders(const std::string& path, unsigned mode, bool sync) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  Status made = make_one(path, parent, mode, sync);
  if (made || made.error().code != Code::not_found || parent.empty() || parent == path) return made;
  QARAX_CHECK(make_folders(parent, mode, sync));
  return make_one(path, parent, mode, sync);
}
}  // namespace

Status make_folder(const std::string& path, unsigned mode) { return make_folders(path, mode, true); }
Status make_folder_unsynced(const std::string& path, unsigned mode) { return make_folders(path, mode, false); }

Status check_own_folder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_error("can't look at " + path, errno);
  const uid_t us = ::geteuid();
  std::ostringstream is;
  is << path << " belongs to user " << info.st_uid << " and has mode 0" << std::oct << (info.st_mode & 07777U);
  const auto refuse = [&](const std::string& why) {
    return make_error(Code::failed_precondition, is.str() + ": " + why, "data-dir");
  };
  if (info.st_uid != us)
    return refuse("it has to be this program's user's, " + std::to_string(us) + "; chown " + std::to_string(us) +
                  " it, or set another data_dir");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return refuse("others can write there; chmod go-w it, or set another data_dir");
  return Ok{};
}

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

namespace {
std::optional<std::int64_t> stat_number(int pid, int field) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  return text ? plugin::process_stat_number(*text, field) : std::nullopt;
}
}  // namespace

std::optional<std::int64_t> process_start_time(int pid) { return stat_number(pid, 22); }

std::optional<int> process_parent(int pid) {
  const auto parent = stat_number(pid, 4);
  return parent ? std::optional<int>(static_cast<int>(*parent)) : std::nullopt;
}

}  // namespace qarax::core
