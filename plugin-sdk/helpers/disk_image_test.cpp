#include "disk_image.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "temp_folder.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin {
namespace {

class DiskImage : public ::testing::Test {
 protected:
  DiskImage() {
    disk.id = "root";
    disk.path = folder_ / "image";
    disk.format = DiskFormat::raw;
    raw_.size = sizeof raw_;
    raw_.cancel_fd = -1;
  }
  // A header as qemu-img writes it; a hostile image has other values in `backing` and `features`.
  void qcow2(std::uint8_t backing = 0, std::uint8_t features = 0, std::uint8_t version = 3) const {
    std::string header(104, '\0');
    header.replace(0, 4, "QFI\xfb");
    header[7] = static_cast<char>(version);
    header[15] = static_cast<char>(backing);
    header[79] = static_cast<char>(features);
    std::ofstream(disk.path) << header;
  }
  Code code() {
    const auto seen = look_at_disk(Call(&raw_), disk);
    return seen ? Code::ok : seen.error().code;
  }
  TempFolder folder_;
  DiskSpec disk;
  qarax_call raw_{};
};

TEST_F(DiskImage, IsAFileOrABlockDevice) {
  EXPECT_EQ(code(), Code::not_found);
  std::ofstream(disk.path) << std::string(4096, 'x');
  const auto seen = look_at_disk(Call(&raw_), disk);
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(seen->size, 4096);
  EXPECT_FALSE(seen->is_block_device);
  disk.path = "/dev/null";
  EXPECT_EQ(code(), Code::failed_precondition);
}

TEST_F(DiskImage, AQcow2ThatNamesOtherFilesIsRefused) {
  disk.format = DiskFormat::qcow2;
  qcow2();
  EXPECT_EQ(code(), Code::ok);
  qcow2(104);
  EXPECT_EQ(code(), Code::failed_precondition) << "a backing file";
  qcow2(0, 1 << 2);
  EXPECT_EQ(code(), Code::failed_precondition) << "an external data file";
  qcow2(0, 1 << 2, 2);
  EXPECT_EQ(code(), Code::ok) << "version 2 has no features there";
  disk.format = DiskFormat::raw;
  qcow2(104);
  EXPECT_EQ(code(), Code::ok) << "raw is raw, whatever a guest wrote into it";
}

TEST_F(DiskImage, WhatIsNoQcow2IsNotOpenedAsOne) {
  disk.format = DiskFormat::qcow2;
  std::ofstream(disk.path) << "#!/bin/sh";
  EXPECT_EQ(code(), Code::failed_precondition);
}

TEST_F(DiskImage, ADescriptorIsLookedAtWhereItStands) {
  std::ofstream(disk.path) << std::string(512, 'x');
  const Socket file(::open(disk.path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::lseek(file.get(), 7, SEEK_SET), 7);
  const int fds[] = {file.get()};
  raw_.fds = fds;
  raw_.fd_count = 1;
  disk.path.clear();
  disk.fd = 0;
  EXPECT_EQ(look_at_disk(Call(&raw_), disk)->size, 512);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 7);
  disk.fd = 1;
  EXPECT_NE(code(), Code::ok);
}

}  // namespace
}  // namespace qarax::plugin
