#include "burials.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

constexpr std::int64_t kMs = 1'000'000;

TEST(BurialsTest, OneDeleteIsUnderWayAtATime) {
  Burials burials({100, 1'000});
  EXPECT_TRUE(burials.begin("a", 0));
  EXPECT_FALSE(burials.begin("a", 0));
  EXPECT_TRUE(burials.begin("b", 0));
  burials.lost("a", 50 * kMs);
  EXPECT_FALSE(burials.begin("a", 150 * kMs - 1)) << "a node that doesn't answer isn't asked at every tick";
  EXPECT_TRUE(burials.begin("a", 150 * kMs));
}

TEST(BurialsTest, EachFailureInARowWaitsTwiceAsLong) {
  Burials burials({100, 500});
  std::int64_t now = 0;
  for (const std::int64_t wait : {100, 200, 400, 500, 500}) {
    EXPECT_TRUE(burials.begin("a", now * kMs));
    burials.failed("a", "the disk is full", now * kMs);
    EXPECT_FALSE(burials.begin("a", (now + wait) * kMs - 1)) << wait;
    now += wait;
  }
  burials.done("a");
  EXPECT_TRUE(burials.begin("a", 0));
}

TEST(BurialsTest, OnlyAnotherReasonIsNews) {
  Burials burials({100, 1'000});
  EXPECT_TRUE(burials.failed("a", "the disk is full", 0));
  EXPECT_FALSE(burials.failed("a", "the disk is full", 0));
  EXPECT_TRUE(burials.failed("a", "it can't be killed", 0));
  EXPECT_TRUE(burials.failed("b", "it can't be killed", 0));
}

}  // namespace
}  // namespace qarax::server
