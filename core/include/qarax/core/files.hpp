// Files that must survive a kill -9 or a power cut, and a process's identity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::core {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// At most `limit` bytes; NOT_FOUND, PERMISSION_DENIED or INTERNAL with the path and errno's text.
Result<std::string> read_file(const std::string& path, std::size_t limit = 16u << 20);
// The last `limit` bytes; empty for a file that isn't there.
std::string read_tail(const std::string& path, std::size_t limit);

// Temp file in the same folder, fsync, rename, fsync of the folder: the old or the new content, whole, whenever power
// goes. `written`: the new file, open for reading and writing, as soon as it stands under its name: also where only the
// sync of its folder failed.
Status write_file_durably(const std::string& path, std::string_view content, unsigned mode = 0600,
                          Fd* written = nullptr);
// What writers that were killed in the middle of it have left in this folder (not below it). Only for who is its sole
// writer.
void remove_half_written(const std::string& folder);
// `min_reader` of a document that an agent keeps, before anything else in it is looked at: a newer one's may have a
// shape that no older one knows. 0: it says none.
std::int64_t min_reader(std::string_view document);
Status sync_folder(const std::string& path);
// mkdir -p with `mode` for what it makes; the parents' entries are synced.
Status make_folder(const std::string& path, unsigned mode = 0700);
// The same for what needn't outlive the host: nothing is waited for.
Status make_folder_unsynced(const std::string& path, unsigned mode = 0700);
// FAILED_PRECONDITION unless the folder is this process's user's and nobody else can write into it: whoever can puts
// there what this process believes. Where a symbolic link leads counts. Names the command that helps.
Status check_own_folder(const std::string& path);
Error errno_error(std::string_view what, int error);

// Field 22 of /proc/<pid>/stat, in clock ticks since boot; empty when there is no such process.
std::optional<std::int64_t> process_start_time(int pid);
// Empty when there is no such process.
std::optional<int> process_parent(int pid);

}  // namespace qarax::core
