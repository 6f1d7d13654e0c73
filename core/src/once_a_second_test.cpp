#include "qarax/core/once_a_second.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

TEST(OnceASecond, TheFirstIsToldAndThoseThatFollowAreCounted) {
  OnceASecond rate;
  EXPECT_EQ(rate.pass(5), 0u) << "however long the machine has been up";
  for (int i = 0; i < 40; ++i) EXPECT_EQ(rate.pass(6 + i), std::nullopt);
  EXPECT_EQ(rate.pass(1'000'000'004), std::nullopt);
  EXPECT_EQ(rate.pass(1'000'000'005), 41u);
  EXPECT_EQ(rate.pass(1'000'000'006), std::nullopt);
  EXPECT_EQ(rate.pass(9'000'000'000), 1u);
}

}  // namespace
}  // namespace qarax::core
