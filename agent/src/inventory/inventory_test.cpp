#include "inventory.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::agent {
namespace {

TEST(HostFacts, AreThisHosts) {
  const auto info = host_facts();
  EXPECT_GE(info.cpus, 1);
  EXPECT_GT(info.memory, 64 << 20);
  EXPECT_FALSE(info.kernel.empty());
  EXPECT_EQ(info.boot_id, core::boot_identity());
}

TEST(NodeId, IsMadeOnceAndADamagedOneIsNeverReplaced) {
  char name[] = "/tmp/qarax-inventory-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  const std::string dir = name;
  const auto first = node_id(dir);
  ASSERT_TRUE(first);
  EXPECT_EQ(*node_id(dir), *first);
  ASSERT_TRUE(core::write_file_durably(dir + "/node_id", ""));
  EXPECT_EQ(node_id(dir).error().code, Code::data_loss);
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace qarax::agent
