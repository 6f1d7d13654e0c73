#include "disk_image.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "unix_socket.hpp"

namespace qarax::plugin {

namespace {

constexpr std::uint64_t kQcow2Magic = 0x514649fb;  // "QFI\xfb"
constexpr std::size_t kBackingOffset = 8;          // position of backing_file_offset; 0 there: no backing file
constexpr std::size_t kIncompatible = 72;          // position of incompatible_features, from version 3 on
constexpr std::uint64_t kExternalData = 1 << 2;

std::uint64_t big_endian(const unsigned char* at, int bytes) {
  std::uint64_t out = 0;
  for (int i = 0; i < bytes; ++i) out = out << 8 | at[i];
  return out;
}

Error cannot(const std::string& what, int error) {
  const Code code = error == ENOENT || error == ENOTDIR || error == ENXIO ? Code::not_found
                    : error == EACCES || error == EPERM || error == EROFS ? Code::permission_denied
                                                                          : Code::internal;
  return make_error(code, what + ": " + std::generic_category().message(error));
}

Status check_qcow2(int fd, const std::string& what) {
  std::array<unsigned char, 104> header{};
  const ssize_t n = ::pread(fd, header.data(), header.size(), 0);
  if (n < 0) return cannot("can't read " + what, errno);
  if (n < 72 || big_endian(header.data(), 4) != kQcow2Magic)
    return make_error(Code::failed_precondition, what + " isn't a qcow2 image; its format has to be told as it is");
  const bool has_features = big_endian(&header[4], 4) >= 3 && n >= 80;
  if (big_endian(&header[kBackingOffset], 8) != 0 ||
      (has_features && (big_endian(&header[kIncompatible], 8) & kExternalData) != 0))
    return make_error(Code::failed_precondition,
                      what +
                          " names another file of the host in its header (backing or data file), which isn't "
                          "opened; make an image of its own (qemu-img convert)");
  return Ok{};
}

}  // namespace

Result<OpenedDisk> look_at_disk(const Call& call, const DiskSpec& disk) {
  const std::string what = disk.fd ? "disk " + disk.id : disk.path;
  Socket opened;
  if (!disk.fd)
    opened = Socket(::open(disk.path.c_str(), (disk.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK));
  const int fd = disk.fd ? call.fd(static_cast<std::size_t>(*disk.fd)) : opened.get();
  struct stat about {};
  if (fd < 0 || ::fstat(fd, &about) != 0) return cannot("can't open " + what, fd < 0 && disk.fd ? EBADF : errno);
  OpenedDisk out;
  out.size = about.st_size;
  out.is_block_device = S_ISBLK(about.st_mode);
  if (!out.is_block_device && !S_ISREG(about.st_mode))
    return make_error(Code::failed_precondition, what + " is neither a file nor a block device");
  if (std::uint64_t bytes = 0; out.is_block_device && ::ioctl(fd, BLKGETSIZE64, &bytes) == 0)
    out.size = static_cast<std::int64_t>(bytes);
  if (disk.format == DiskFormat::qcow2) QARAX_CHECK(check_qcow2(fd, what));
  return out;
}

}  // namespace qarax::plugin
