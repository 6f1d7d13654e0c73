#include "vm_processes.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "launch.hpp"
#include "no_descriptors.hpp"
#include "pidfd.hpp"
#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

bool runs(int pid) { return is_alive({pid, core::process_start_time(pid).value_or(0)}); }

// A process with a VM's mark.
class Marked {
 public:
  explicit Marked(const std::string& vm_dir) {
    const auto started = launch({{"/bin/sleep", "1000"}, {{kVmMark, vm_dir}}, {}});
    if (!started) return;
    pid_ = *started;
    // posix_spawn returns a moment before the new program's environment can be seen.
    const std::string shown = "/proc/" + std::to_string(pid_) + "/environ";
    for (auto text = core::read_file(shown); !text || text->find(vm_dir) == std::string::npos;
         text = core::read_file(shown))
      std::this_thread::yield();
  }
  ~Marked() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Marked(const Marked&) = delete;
  Marked& operator=(const Marked&) = delete;
  int pid() const { return pid_; }

 private:
  int pid_ = 0;
};

class VmProcessesTest : public ::testing::Test {
 protected:
  TempFolder folder_;
  const std::string vms_ = folder_.path() + "/vms";
  const std::string vm_ = core::new_uuid();
  const Cgroups none_ = Cgroups::none();
  const VmProcesses processes_{vms_, none_};
};

TEST_F(VmProcessesTest, WithoutFreeDescriptorsNothingIsCalledEnded) {
  const auto in_vain = [&] {
    const NoDescriptors none;
    return processes_.end_all_of(vm_);
  }();
  ASSERT_FALSE(in_vain);
  EXPECT_EQ(in_vain.error().code, Code::resource_exhausted) << in_vain.error().message;
  EXPECT_TRUE(processes_.end_all_of(vm_)) << "there is nothing";
}

TEST_F(VmProcessesTest, WhatBearsAVmsMarkIsFoundAndEndedAsThatVmsOnly) {
  const Marked process(vms_ + "/" + vm_);
  const int pid = process.pid();
  ASSERT_GT(pid, 0);
  const std::string other = core::new_uuid();
  EXPECT_TRUE(processes_.has(vm_));
  EXPECT_FALSE(processes_.has(other));
  EXPECT_FALSE(VmProcesses(folder_.path() + "/others", none_).has(vm_)) << "another agent's";
  const auto found = processes_.find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pid, pid);
  EXPECT_EQ(found[0].vm, vm_);
  EXPECT_FALSE(found[0].supervisor);

  EXPECT_TRUE(processes_.end({pid, other, false})) << "its pid is another VM's by now";
  EXPECT_TRUE(processes_.end_all_of(other));
  EXPECT_TRUE(runs(pid));
  EXPECT_TRUE(processes_.end_all_of(vm_));
  EXPECT_FALSE(runs(pid));
  EXPECT_FALSE(processes_.has(vm_));
  EXPECT_TRUE(processes_.end(found[0])) << "it is gone already";
}

TEST_F(VmProcessesTest, WhoHasTheNumberOfAnEndedSupervisorIsLeftAlone) {
  const pid_t ended = ::fork();
  if (ended == 0) ::_exit(0);
  const core::Fd held = open_pidfd_of(ended);
  ASSERT_TRUE(held);
  ASSERT_EQ(::waitpid(ended, nullptr, 0), ended);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const core::Fd output(ends[0]);
  core::Fd write_end(ends[1]);
  const auto other =
      launch({{"/bin/sh", "-c", "sleep 1000 & echo $!; wait"}, {{"PATH", "/usr/bin:/bin"}}, {{write_end.get(), 1}}});
  ASSERT_TRUE(other) << other.error().message;
  write_end.reset();
  char said[32] = {};
  ASSERT_GT(::read(output.get(), said, sizeof said - 1), 0);
  const int child = std::atoi(said);
  EXPECT_TRUE(VmProcesses::end_supervisor(held, *other));
  EXPECT_TRUE(runs(child));
  EXPECT_TRUE(runs(*other));
  ::kill(-*other, SIGKILL);
  EXPECT_EQ(::waitpid(*other, nullptr, 0), *other);
}

TEST_F(VmProcessesTest, WhoIsStillLeavingItsControlGroupIsWaitedFor) {
  const Cgroups groups = Cgroups::detect("qarax-leave-" + std::to_string(::getpid()));
  if (!groups.available()) GTEST_SKIP() << "this machine lets nobody make a version 2 cgroup";
  const std::string vmm = groups.folder(vm_) + "/vmm";
  const std::string sup = groups.folder(vm_) + "/sup";
  std::filesystem::create_directories(vmm);
  std::filesystem::create_directories(sup);
  const auto leaving = launch({{"/bin/sleep", "1000"}, {}, {}});
  ASSERT_TRUE(leaving) << leaving.error().message;
  std::ofstream(sup + "/cgroup.procs") << *leaving << std::flush;
  const auto stays = VmProcesses(vms_, groups, 0).remove_cgroup(vm_);
  EXPECT_EQ(stays ? Code::ok : stays.error().code, Code::internal);

  std::filesystem::create_directories(vmm);
  auto removing = std::async(std::launch::async, [&] { return VmProcesses(vms_, groups, 60'000).remove_cgroup(vm_); });
  // That the empty leaf is gone shows that the first try was made.
  while (std::filesystem::exists(vmm) && removing.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    std::this_thread::yield();
  ::kill(*leaving, SIGKILL);
  EXPECT_EQ(::waitpid(*leaving, nullptr, 0), *leaving);
  const Status removed = removing.get();
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(std::filesystem::exists(groups.folder(vm_)));
  groups.leave();
}

}  // namespace
}  // namespace qarax::agent
