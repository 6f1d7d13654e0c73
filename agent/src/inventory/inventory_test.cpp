#include "inventory.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace qarax::agent
