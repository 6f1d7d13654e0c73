#include "cgroup.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "no_descriptors.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

// Fake /proc files of a process, and a folder in place of a mounted hierarchy.
class CgroupsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(proc());
    std::filesystem::create_directories(mount());
  }

  std::string proc() const { return dir_ + "/proc"; }
  std::string mount() const { return dir_ + "/mount"; }
  void tell(const std::string& mounts, const std::string& groups) const {
    std::ofstream(proc() + "/mounts") << mounts;
    std::ofstream(proc() + "/cgroup") << groups;
  }
  Cgroups detect() const { return Cgroups::detect("qarax-test", proc()); }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
};

TEST_F(CgroupsTest, WithoutAnyAVmIsNowhereAndNothingIsMissed) {
  const Cgroups none = Cgroups::none();
  EXPECT_FALSE(none.available());
  EXPECT_EQ(none.folder("vm"), "");
  EXPECT_FALSE(none.kill_all("vm"));
  EXPECT_FALSE(none.populated("vm"));
  EXPECT_TRUE(none.remove("vm"));
  none.leave();
}

TEST_F(CgroupsTest, AKernelThatTellsNothingHasNone) { EXPECT_FALSE(detect().available()); }

TEST_F(CgroupsTest, VersionOneAloneIsNone) {
  tell("cgroup " + mount() + " cgroup rw,cpu 0 0\n", "4:cpu:/\n");
  EXPECT_FALSE(detect().available());
}

TEST_F(CgroupsTest, AMountWithoutAPlaceInItIsNone) {
  tell("cgroup2 " + mount() + " cgroup2 rw 0 0\n", "4:cpu:/\n");
  EXPECT_FALSE(detect().available());
}

TEST_F(CgroupsTest, AFolderThatIsNoHierarchyIsNoneAndNothingIsLeftInIt) {
  // Folders can be made in it as in any folder, but they have no cgroup.procs.
  tell("cgroup " + dir_ + " cgroup rw 0 0\ncgroup2 " + mount() + " cgroup2 rw 0 0\n", "4:cpu:/\n0::/\n");
  EXPECT_FALSE(detect().available());
  EXPECT_TRUE(std::filesystem::is_empty(mount()));
}

TEST_F(CgroupsTest, APlaceThatIsntThereIsNone) {
  tell("cgroup2 " + mount() + " cgroup2 rw 0 0\n", "0::/of/another/namespace\n");
  EXPECT_FALSE(detect().available());
}

TEST_F(CgroupsTest, WhatCantBeKilledIsGivenUp) {
  tell("cgroup2 " + mount() + " cgroup2 rw 0 0\n", "0::/\n");
  // A plain folder that passes for a hierarchy; no kernel kills the processes in it.
  const std::string probe = mount() + "/qarax-test/probe";
  std::filesystem::create_directories(probe);
  std::ofstream(probe + "/cgroup.procs") << "";
  const Cgroups groups = detect();
  ASSERT_TRUE(groups.available());
  EXPECT_TRUE(empty_cgroup(groups, "vm", {})) << "it was never made";
  const std::string leaf = groups.folder("vm") + "/vmm";
  std::filesystem::create_directories(leaf);
  std::ofstream(leaf + "/cgroup.events") << "populated 1\nfrozen 0\n";
  const auto in_vain = empty_cgroup(groups, "vm", CallLimits{}.within_ms(20));
  ASSERT_FALSE(in_vain);
  EXPECT_EQ(in_vain.error().code, Code::deadline_exceeded);
  EXPECT_EQ(in_vain.error().reason, "unkillable");
  const core::Fd cancel(::eventfd(1, EFD_CLOEXEC));
  const auto cancelled = empty_cgroup(groups, "vm", {0, cancel.get()});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, Code::cancelled);
  const auto unknown = [&] {
    const NoDescriptors none;
    return empty_cgroup(groups, "vm", {});
  }();
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::resource_exhausted);
  std::ofstream(leaf + "/cgroup.events") << "populated 0\nfrozen 0\n";
  EXPECT_TRUE(empty_cgroup(groups, "vm", {}));
}

TEST_F(CgroupsTest, ARealOneIsKilledEmptiedAndLeft) {
  const std::string subtree = "qarax-unit-" + std::to_string(::getpid());
  const Cgroups groups = Cgroups::detect(subtree);
  if (!groups.available()) GTEST_SKIP() << "this machine lets nobody make a version 2 cgroup";
  std::filesystem::create_directory(groups.folder("probe"));  // as an agent that is killed while it looks leaves it
  EXPECT_TRUE(Cgroups::detect(subtree).available());
  EXPECT_FALSE(std::filesystem::exists(groups.folder("probe")));
  const std::string vmm = groups.folder("vm") + "/vmm";
  std::filesystem::create_directories(vmm);
  std::filesystem::create_directories(groups.folder("vm") + "/sup");
  const pid_t pid = ::fork();
  if (pid == 0)
    for (;;) ::pause();
  std::ofstream(vmm + "/cgroup.procs") << pid << std::flush;
  EXPECT_TRUE(groups.populated("vm"));
  EXPECT_FALSE(groups.populated("another"));
  EXPECT_FALSE(groups.remove("vm")) << "somebody is in it";
  groups.leave();
  EXPECT_TRUE(std::filesystem::exists(vmm)) << "a VM that runs on keeps its place";
  if (!groups.kill_all("vm")) ::kill(pid, SIGKILL);  // a kernel before 5.14
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(groups.remove("vm"));
  EXPECT_TRUE(groups.remove("vm")) << "what is gone is removed";
  groups.leave();
  EXPECT_FALSE(std::filesystem::exists(groups.folder("")));
}

}  // namespace
}  // namespace qarax::agent
