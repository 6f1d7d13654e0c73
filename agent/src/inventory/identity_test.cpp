#include "identity.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

namespace fs = std::filesystem;

class IdentityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(dir_ + "/vms/" + vm_);
    const auto made = node_id(dir_);
    ASSERT_TRUE(made) << made.error().message;
    id_ = *made;
  }
  std::string clone() const {
    fs::copy(dir_, root_ + "/clone", fs::copy_options::recursive);
    return root_ + "/clone";
  }

  TempFolder folder_;
  const std::string root_ = folder_.path();
  const std::string dir_ = root_ + "/data";
  std::string id_;
  std::string vm_ = core::new_uuid();
};

TEST_F(IdentityTest, IsMadeOnceAndADamagedOneIsNeverReplaced) {
  EXPECT_EQ(*node_id(dir_), id_);
  ASSERT_TRUE(core::write_file_durably(dir_ + "/node_id", ""));
  EXPECT_EQ(node_id(dir_).error().code, Code::data_loss);
}

TEST_F(IdentityTest, ARenamedFolderIsTheSameAndACopyIsRefused) {
  fs::rename(dir_, root_ + "/elsewhere");
  EXPECT_EQ(*node_id(root_ + "/elsewhere"), id_);
  fs::rename(root_ + "/elsewhere", dir_);
  const auto refused = node_id(clone());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "cloned");
  EXPECT_NE(refused.error().message.find("qarax-node rehome"), std::string::npos);
  EXPECT_EQ(*node_id(dir_), id_) << "the original isn't touched by it";
}

TEST_F(IdentityTest, AFolderOfAnotherMachineIsRefused) {
  auto text = core::read_file(dir_ + "/home.json");
  ASSERT_TRUE(text);
  const std::string machine = core::machine_id();
  const std::size_t at = text->find(machine);
  if (machine.empty() || at == std::string::npos) GTEST_SKIP() << "a container, or a machine without a machine-id";
  text->replace(at, machine.size(), std::string(32, 'f'));
  ASSERT_TRUE(core::write_file_durably(dir_ + "/home.json", *text));
  EXPECT_EQ(node_id(dir_).error().reason, "cloned");
}

TEST_F(IdentityTest, ARehomedCopyIsAnotherNodeWithoutTheOriginalsVms) {
  const std::string copy = clone();
  ASSERT_TRUE(core::write_file_durably(copy + "/cluster.json", "{}"));
  ASSERT_TRUE(core::write_file_durably(copy + "/cluster.copy", "{}"));
  ASSERT_TRUE(core::write_file_durably(copy + "/position.json", "{}"));
  const auto rehomed = rehome(copy, false);
  ASSERT_TRUE(rehomed) << rehomed.error().message;
  EXPECT_NE(rehomed->node_id, id_);
  EXPECT_EQ(*node_id(copy), rehomed->node_id);
  EXPECT_FALSE(fs::exists(copy + "/vms"));
  EXPECT_TRUE(fs::exists(rehomed->set_aside + "/" + vm_)) << "nothing is lost";
  EXPECT_FALSE(fs::exists(copy + "/cluster.json"));
  EXPECT_FALSE(fs::exists(copy + "/cluster.copy"));
  EXPECT_FALSE(fs::exists(copy + "/position.json"));
}

TEST_F(IdentityTest, AMovedFolderStaysWhatItWas) {
  const std::string copy = clone();
  const auto moved = rehome(copy, true);
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(moved->node_id, id_);
  EXPECT_EQ(*node_id(copy), id_);
  EXPECT_TRUE(fs::exists(copy + "/vms/" + vm_));
}

TEST_F(IdentityTest, AFolderThatHasNoHomeYetGetsOne) {
  fs::remove(dir_ + "/home.json");
  EXPECT_EQ(*node_id(dir_), id_);
  EXPECT_TRUE(fs::exists(dir_ + "/home.json"));
}

TEST_F(IdentityTest, AFolderOfANewerAgentAsksForAnUpgrade) {
  ASSERT_TRUE(core::write_file_durably(dir_ + "/home.json", R"({"format":9,"min_reader":9,"node_id":[]})"));
  const auto refused = node_id(dir_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-outdated") << refused.error().message;
  EXPECT_NE(refused.error().message.find("upgrade"), std::string::npos) << refused.error().message;
}

TEST_F(IdentityTest, OneAgentAFolder) {
  const auto first = lock_data_dir(dir_);
  ASSERT_TRUE(first);
  EXPECT_EQ(lock_data_dir(dir_).error().code, Code::failed_precondition);
  EXPECT_EQ(lock_data_dir("/proc").error().message,
            "can't use data_dir /proc: No such file or directory; make it writable for this user, or set another "
            "data_dir");
}

}  // namespace
}  // namespace qarax::agent
