#include "qarax/core/resize.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

VmSpec small() {
  VmSpec spec;
  spec.boot_vcpus = 1;
  spec.max_vcpus = 8;
  spec.memory_size = 256 << 20;
  return spec;
}

TEST(Resize, ChangesWhatItNamesAndNothingElse) {
  VmSpec expected = small();
  VmSpec spec = small();
  apply({}, spec);
  EXPECT_EQ(encode(spec), encode(expected));

  apply({4, std::nullopt}, spec);
  expected.boot_vcpus = 4;
  EXPECT_EQ(encode(spec), encode(expected));

  apply({std::nullopt, 512 << 20}, spec);
  expected.memory_size = 512 << 20;
  EXPECT_EQ(encode(spec), encode(expected));

  apply({2, 128 << 20}, spec);
  expected.boot_vcpus = 2;
  expected.memory_size = 128 << 20;
  EXPECT_EQ(encode(spec), encode(expected));
}

TEST(Resize, ReachesTheMachineOfAVmThatWasStarted) {
  VmSpec spec = small();
  std::optional<VmSpec> resolved;
  apply({4, 512 << 20}, spec, resolved);
  EXPECT_EQ(spec.boot_vcpus, 4);
  EXPECT_FALSE(resolved) << "a resize is no start";

  resolved = small();
  resolved->config.text = R"({"machine":"frozen-1"})";
  apply({2, std::nullopt}, spec, resolved);
  EXPECT_EQ(spec.boot_vcpus, 2);
  EXPECT_EQ(spec.memory_size, 512 << 20);
  EXPECT_EQ(resolved->boot_vcpus, 2);
  EXPECT_EQ(resolved->memory_size, 256 << 20) << "each keeps what isn't named";
  EXPECT_EQ(resolved->config.text, R"({"machine":"frozen-1"})");
}

}  // namespace
}  // namespace qarax::core
