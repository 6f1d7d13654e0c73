// Deletes of VMs that own something outside their folders, on disks that take nothing.
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

class DeleteTest : public ManagerTest {
 protected:
  void start_with_a_volume() {
    run(command(Action::start, 1));
    EXPECT_TRUE(processes_->claim({vm_, "volume", "pool/disk"}));
  }
  std::size_t left_behind() const {
    return processes_->leftovers().find([](const std::string&) { return false; }).size();
  }
  std::string vm_folder() const { return dir_ + "/vms/" + vm_; }
};

TEST_F(DeleteTest, WhatItsVmLeavesBehindIsNotedOrTheDeleteHasFailed) {
  start_with_a_volume();
  std::filesystem::create_directory(dir_ + "/disowned");  // in place of the file
  const auto failed = run(command(Action::remove, 2));
  ASSERT_FALSE(failed.outcome);
  EXPECT_FALSE(failed.report.deleted);
  EXPECT_TRUE(std::filesystem::exists(vm_folder() + "/ledger"));
  std::filesystem::remove(dir_ + "/disowned");
  EXPECT_TRUE(run(command(Action::remove, 3)).report.deleted);
  EXPECT_FALSE(std::filesystem::exists(vm_folder()));
  EXPECT_EQ(left_behind(), 1U);
}

TEST_F(DeleteTest, OneThatOvertakesAHungCallNotesItToo) {
  start_with_a_volume();
  run(command(Action::force_stop, 2));
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 3));
  while (driver_.starts < 2) std::this_thread::yield();
  std::filesystem::create_directory(dir_ + "/disowned");
  EXPECT_FALSE(run(command(Action::remove, 4)).outcome);
  EXPECT_TRUE(std::filesystem::exists(vm_folder() + "/ledger"));
  std::filesystem::remove(dir_ + "/disowned");
  EXPECT_TRUE(run(command(Action::remove, 5)).report.deleted);
  EXPECT_EQ(left_behind(), 1U);
  driver_.release();
  EXPECT_FALSE(hung.get().outcome);
}

// A small disk over a folder, for as long as the object lives.
class OwnDisk {
 public:
  explicit OwnDisk(std::string at) : at_(std::move(at)) {
    is_there_ = ::mount("qarax-test", at_.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  ~OwnDisk() {
    if (!is_there_) return;
    EXPECT_EQ(::umount2(at_.c_str(), MNT_DETACH), 0);
  }
  OwnDisk(const OwnDisk&) = delete;
  OwnDisk& operator=(const OwnDisk&) = delete;
  explicit operator bool() const { return is_there_; }

 private:
  const std::string at_;
  bool is_there_ = false;
};

TEST_F(DeleteTest, OnAFullDiskItsVmsLogsMakeRoomForTheNote) {
  close();
  const OwnDisk disk(dir_);
  if (!disk) GTEST_SKIP() << "a disk of its own wants root: " << std::strerror(errno);
  open();
  start_with_a_volume();
  std::filesystem::create_directories(vm_folder() + "/run/1");
  std::ofstream(vm_folder() + "/run/1/console.log") << std::string(256 << 10, 'x');
  std::ofstream(dir_ + "/filler") << std::string(2 << 20, 'x');
  ASSERT_FALSE(core::write_file_durably(dir_ + "/more", "x")) << "the disk is full";
  const auto deleted = run(command(Action::remove, 2));
  ASSERT_TRUE(deleted.outcome) << deleted.outcome.error().message;
  EXPECT_TRUE(deleted.report.deleted);
  EXPECT_EQ(left_behind(), 1U);
  close();
}

}  // namespace
}  // namespace qarax::agent
