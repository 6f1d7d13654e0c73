// Files that must survive a kill -9 or a power cut, and a process's start time. All functions: any thread.
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

// The whole file; OUT_OF_RANGE if it has more than `limit` bytes, otherwise the errors of errno_error() with the path.
Result<std::string> read_file(const std::string& path, std::size_t limit = 16u << 20);
// Opens a regular file for reading; empty if there is none. Follows no symbolic link, and waits for nobody.
Fd open_regular(const std::string& path);
// The last `limit` bytes of a file that open_regular() has opened, or would open; empty if there is none.
std::string read_tail(const Fd& file, std::size_t limit);
std::string read_tail(const std::string& path, std::size_t limit);

// Writes a temp file in the same folder, fsyncs, renames, and fsyncs the folder: after a power cut the file has its old
// or its new content, whole. `written` receives the new file, open for reading and writing, once it has its name; so
// also if only the fsync of the folder failed.
Status write_file_durably(const std::string& path, std::string_view content, unsigned mode = 0600,
                          Fd* written = nullptr);
// Removes the temp files that a killed write_file_durably() left in this folder (not in folders below). The caller must
// be the only process that writes there.
void remove_half_written(const std::string& folder);
// The member `min_reader` of a document that an agent keeps: the lowest reader version that understands it. Check it
// before decoding, as an older agent may not know the shape of a newer document. 0: the document has no such member.
std::int64_t min_reader(std::string_view document);
Status sync_folder(const std::string& path);
// mkdir -p with `mode` for the folders that it makes; their entries in the parent folders are synced.
Status make_folder(const std::string& path, unsigned mode = 0700);
// The same without the sync, for folders that needn't survive a crash of the host.
Status make_folder_unsynced(const std::string& path, unsigned mode = 0700);
// FAILED_PRECONDITION unless the folder belongs to this process's user and nobody else can write into it: another
// writer could plant files that this process trusts. Follows symbolic links. The message names the command that helps.
Status check_own_folder(const std::string& path);
// `what` with the text of the errno value `error`; its code and reason follow from that value.
Error errno_error(std::string_view what, int error);

// Raises the process's soft limit of open files to its hard limit: each connection and each running VM needs a few
// descriptors.
void raise_descriptor_limit() noexcept;

// Field 22 of /proc/<pid>/stat, in clock ticks since boot; empty when there is no such process.
std::optional<std::int64_t> process_start_time(int pid);
// Empty when there is no such process.
std::optional<int> process_parent(int pid);

}  // namespace qarax::core
