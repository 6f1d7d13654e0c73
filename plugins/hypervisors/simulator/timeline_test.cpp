#include "timeline.hpp"

#include <gtest/gtest.h>

namespace qarax::simulator {
namespace {

TEST(Draws, AreTheSameForTheSameSeedAndDifferAcrossVms) {
  Behaviour b;
  b.failure_percent = 50;
  b.exit_after_ms = 1000;
  int failures = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string vm = "vm-" + std::to_string(i);
    const bool fails = start_fails(b, vm, 1);
    EXPECT_EQ(start_fails(b, vm, 1), fails);
    failures += fails ? 1 : 0;
    const std::int64_t delay = exit_delay_ns(b, vm, 1);
    EXPECT_GE(delay, 750'000'000);
    EXPECT_LE(delay, 1'250'000'000);
  }
  EXPECT_GT(failures, 400);
  EXPECT_LT(failures, 600);
  b.seed = 1;
  int moved = 0;
  for (int i = 0; i < 100; ++i) {
    Behaviour other = b;
    other.seed = 2;
    moved += start_fails(b, "vm-" + std::to_string(i), 1) != start_fails(other, "vm-" + std::to_string(i), 1) ? 1 : 0;
  }
  EXPECT_GT(moved, 20);
}

TEST(Draws, NeverAndAlways) {
  Behaviour b;
  EXPECT_FALSE(start_fails(b, "x", 1));
  EXPECT_EQ(exit_delay_ns(b, "x", 1), 0);
  b.failure_percent = 100;
  EXPECT_TRUE(start_fails(b, "x", 1));
}

TEST(BehaviourOf, TheVmsOwnOptionsWinAndUnknownOnesAreRefused) {
  Behaviour base;
  base.start_delay_ms = 5;
  VmSpec spec;
  spec.config.text = R"({"seed":9})";
  const auto merged = behaviour_of(base, spec);
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->seed, 9);
  EXPECT_EQ(merged->start_delay_ms, 5);
  spec.config.text = R"({"sed":9})";
  EXPECT_EQ(behaviour_of(base, spec).error().details.at(0).pointer, "/config/sed");
}

TEST(StatusAt, IsVisiblySimulatedAndEndsInTime) {
  Life life;
  life.ends_ns = 100;
  EXPECT_EQ(status_at(life, 99).state, VmState::running);
  EXPECT_EQ(status_at(life, 99).accelerator, "simulated");
  const VmStatus ended = status_at(life, 100);
  EXPECT_EQ(ended.state, VmState::shutdown);
  ASSERT_TRUE(ended.exit);
  EXPECT_EQ(ended.exit->code, 0);
}

}  // namespace
}  // namespace qarax::simulator
