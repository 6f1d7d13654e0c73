#include "leftovers.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ledger.hpp"
#include "no_descriptors.hpp"
#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

namespace fs = std::filesystem;

class LeftoversTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_ + "/vms/" + vm_); }
  std::string file(const std::string& name) const {
    std::ofstream(dir_ + "/" + name) << "x";
    return dir_ + "/" + name;
  }
  static bool nobody(const std::string&) { return false; }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  const std::string vm_ = core::new_uuid();
  const Cgroups none_ = Cgroups::none();
  const VmProcesses processes_{dir_ + "/vms", none_};
};

TEST_F(LeftoversTest, WhatADeletedVmCouldNotTakeAlongIsRememberedUntilItIsGone) {
  const Leftovers leftovers(dir_, none_, processes_);
  Ledger ledger(dir_ + "/vms/" + vm_);
  const std::string outside = file("outside");
  const std::string released = file("released");
  ASSERT_TRUE(ledger.claim({{"file", outside},
                            {"file", released},
                            {"socket", dir_ + "/vms/" + vm_ + "/run/1/qmp"},
                            {"file", dir_ + "/never made"},
                            {"process", dir_ + "/vms/" + vm_ + "/run/1"}}));
  ASSERT_TRUE(ledger.release({{"file", released}}));
  ASSERT_TRUE(leftovers.disown(vm_));
  fs::remove_all(dir_ + "/vms/" + vm_);

  auto found = leftovers.find(nobody);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, "file");
  EXPECT_EQ(found[0].name, outside);
  EXPECT_EQ(found[0].vm, vm_);
  EXPECT_TRUE(fs::exists(outside)) << "looking changes nothing";
  EXPECT_TRUE(leftovers.find([&](const std::string& vm) { return vm == vm_; }).empty()) << "a VM owns it again";

  found = leftovers.collect(nobody);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].removed) << found[0].problem;
  EXPECT_FALSE(fs::exists(outside));
  EXPECT_TRUE(fs::exists(released)) << "what was given back isn't ours";
  EXPECT_TRUE(leftovers.find(nobody).empty());
}

TEST_F(LeftoversTest, WhatCantBeNotedNowFailsAndALedgerThatCantBeReadDoesNot) {
  const Leftovers leftovers(dir_, none_, processes_);
  const std::string folder = dir_ + "/vms/" + vm_;
  ASSERT_TRUE(Ledger(folder).claim({{"volume", "pool/disk"}}));
  fs::create_directory(dir_ + "/disowned");  // in place of the file
  EXPECT_FALSE(leftovers.disown(vm_));
  fs::remove(dir_ + "/disowned");
  const auto in_vain = [&] {
    const NoDescriptors none;
    return leftovers.disown(vm_);
  }();
  EXPECT_FALSE(in_vain);
  EXPECT_TRUE(leftovers.disown(vm_));
  fs::remove(folder + "/ledger");
  fs::create_directory(folder + "/ledger");
  EXPECT_TRUE(leftovers.disown(vm_)) << "it will never be readable";
  fs::remove_all(folder);
  EXPECT_EQ(leftovers.find(nobody).size(), 1U);
}

TEST_F(LeftoversTest, WhatAnotherVmHasMadeAnewSinceIsItsOwn) {
  const Leftovers leftovers(dir_, none_, processes_);
  const std::string shared = file("shared");
  ASSERT_TRUE(Ledger(dir_ + "/vms/" + vm_).claim({{"file", shared}}));
  ASSERT_TRUE(leftovers.disown(vm_));
  fs::remove_all(dir_ + "/vms/" + vm_);
  ASSERT_EQ(leftovers.find(nobody).size(), 1u);
  const std::string other = dir_ + "/vms/" + core::new_uuid();
  fs::create_directory(other);
  ASSERT_TRUE(Ledger(other).claim({{"file", shared}}));
  EXPECT_TRUE(leftovers.collect(nobody).empty());
  EXPECT_TRUE(fs::exists(shared));
  ASSERT_TRUE(Ledger(other).release({{"file", shared}}));
  EXPECT_EQ(leftovers.collect(nobody).size(), 1u);
  EXPECT_FALSE(fs::exists(shared));
}

TEST_F(LeftoversTest, WhatAnotherVmMakesAnewBeforeTheRemovalIsItsOwn) {
  const Leftovers leftovers(dir_, none_, processes_);
  const std::string shared = file("shared");
  ASSERT_TRUE(Ledger(dir_ + "/vms/" + vm_).claim({{"file", shared}}));
  ASSERT_TRUE(leftovers.disown(vm_));
  fs::remove_all(dir_ + "/vms/" + vm_);
  const std::string other = dir_ + "/vms/" + core::new_uuid();
  fs::create_directory(other);
  // Asked once all is found, before anything is removed.
  const auto found = leftovers.collect([&](const std::string&) {
    EXPECT_TRUE(Ledger(other).claim({{"file", shared}}));
    return false;
  });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].removed);
  EXPECT_NE(found[0].problem.find("anew"), std::string::npos) << found[0].problem;
  EXPECT_TRUE(fs::exists(shared));
}

TEST_F(LeftoversTest, WhatMayBeAnotherVmsIsLeftAloneAndTheLogNamesTheLedger) {
  const Leftovers leftovers(dir_, none_, processes_);
  const std::string outside = file("outside");
  ASSERT_TRUE(Ledger(dir_ + "/vms/" + vm_).claim({{"file", outside}}));
  ASSERT_TRUE(leftovers.disown(vm_));
  fs::remove_all(dir_ + "/vms/" + vm_);
  const std::string unreadable = dir_ + "/vms/" + core::new_uuid() + "/ledger";
  fs::create_directories(unreadable);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(leftovers.collect(nobody).empty());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find(unreadable), std::string::npos) << log;
  EXPECT_TRUE(fs::exists(outside));
  fs::remove_all(unreadable);
  EXPECT_EQ(leftovers.collect(nobody).size(), 1u);
  EXPECT_FALSE(fs::exists(outside));
}

TEST_F(LeftoversTest, WhatIsOfAKindThatTheNodeCannotRemoveStaysListed) {
  const Leftovers leftovers(dir_, none_, processes_);
  ASSERT_TRUE(Ledger(dir_ + "/vms/" + vm_).claim({{"volume", "pool/disk"}}));
  ASSERT_TRUE(leftovers.disown(vm_));
  fs::remove_all(dir_ + "/vms/" + vm_);
  const auto found = leftovers.collect(nobody);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].removed);
  EXPECT_NE(found[0].problem.find("volume"), std::string::npos);
  EXPECT_EQ(leftovers.find(nobody).size(), 1u);
}

TEST_F(LeftoversTest, BrokenOffFoldersAreLeftoversAndVmsAndStrangersAreNot) {
  const Leftovers leftovers(dir_, none_, processes_);
  const std::string begun = core::new_uuid();
  fs::create_directories(dir_ + "/vms/.new-" + begun);
  fs::create_directories(dir_ + "/vms/.removed-" + core::new_uuid());
  fs::create_directories(dir_ + "/vms/notes");
  const std::string node = core::new_uuid();
  fs::create_directories(dir_ + "/vms-of-" + node);
  fs::create_directories(dir_ + "/vms-of-" + core::new_uuid());
  const auto found = leftovers.collect([&](const std::string& id) { return id == vm_ || id == begun || id == node; });
  EXPECT_EQ(found.size(), 2u);
  EXPECT_TRUE(fs::exists(dir_ + "/vms-of-" + node)) << "the server has that node's VMs";
  EXPECT_TRUE(fs::exists(dir_ + "/vms/.new-" + begun)) << "a start is at it";
  EXPECT_TRUE(fs::exists(dir_ + "/vms/" + vm_));
  EXPECT_TRUE(fs::exists(dir_ + "/vms/notes"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_ + "/vms"), {}), 3);
}

}  // namespace
}  // namespace qarax::agent
