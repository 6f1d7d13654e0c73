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

constexpr const char* kBoot = "this boot";

Life life_of(std::int64_t ends_ns) {
  Life life;
  life.boot_id = kBoot;
  life.ends_ns = ends_ns;
  return life;
}

TEST(StatusAt, IsVisiblySimulatedAndEndsInTime) {
  const Life life = life_of(100);
  const VmStatus running = status_at(life, kBoot, 99);
  EXPECT_EQ(running.state, VmState::running);
  EXPECT_EQ(running.accelerator, "simulated");
  EXPECT_EQ(running.status_reason, "simulated");
  EXPECT_NE(running.live.text.find("\"simulated\":true"), std::string::npos);
  const VmStatus ended = status_at(life, kBoot, 100);
  EXPECT_EQ(ended.state, VmState::shutdown);
  ASSERT_TRUE(ended.exit);
  EXPECT_EQ(ended.exit->code, 0);
}

TEST(StatusAt, ARebootOfTheHostEndsIt) {
  const VmStatus status = status_at(life_of(0), "the next boot", 1);
  EXPECT_EQ(status.state, VmState::shutdown);
  EXPECT_NE(status.status_reason.find("rebooted"), std::string::npos);
}

TEST(Pause, StopsTheClockOfTheEnd) {
  Life life = life_of(100);
  pause(life, 60);
  EXPECT_EQ(status_at(life, kBoot, 1000).state, VmState::paused);
  resume(life, 1000);
  EXPECT_EQ(status_at(life, kBoot, 1039).state, VmState::running);
  EXPECT_EQ(status_at(life, kBoot, 1040).state, VmState::shutdown);
  Life eternal = life_of(0);
  pause(eternal, 60);
  resume(eternal, 70);
  EXPECT_FALSE(has_ended(eternal, INT64_MAX));
}

TEST(Uptime, EndsWithTheVm) {
  Life life = life_of(100);
  life.started_ns = 10;
  EXPECT_EQ(uptime_ns(life, 50), 40);
  EXPECT_EQ(uptime_ns(life, 500), 90);
  life.ended_ns = 30;
  EXPECT_EQ(uptime_ns(life, 500), 20);
}

TEST(Begin, TakesWhatTheSpecSays) {
  StartArgs args;
  args.vm = "x";
  args.spec.boot_vcpus = 2;
  args.spec.max_vcpus = 4;
  args.spec.memory_size = 100;
  args.spec.memory_hotplug_size = 50;
  Behaviour behaviour;
  behaviour.exit_after_ms = 1000;
  const Life life = begin(args, behaviour, kBoot, 7);
  EXPECT_EQ(life.ends_ns, 7 + exit_delay_ns(behaviour, "x", 0));
  EXPECT_EQ(life.vcpus, 2);
  EXPECT_EQ(life.max_memory, 150);
  const auto again = decode<Life>(std::string_view(encode(life)));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(encode(*again), encode(life));
}

TEST(Resize, KeepsToItsRoom) {
  Life life;
  life.max_vcpus = 4;
  life.memory = 100;
  life.max_memory = 150;
  ResizeArgs args;
  args.vcpus = 4;
  args.memory = 150;
  ASSERT_TRUE(resize(life, args));
  EXPECT_EQ(life.vcpus, 4);
  EXPECT_EQ(life.memory, 150);
  args.vcpus = 5;
  args.memory = 151;
  const auto refused = resize(life, args);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  ASSERT_EQ(refused.error().details.size(), 2u);
  EXPECT_EQ(refused.error().details[0].pointer, "/vcpus");
  EXPECT_EQ(refused.error().details[1].pointer, "/memory");
  EXPECT_EQ(life.vcpus, 4);
}

}  // namespace
}  // namespace qarax::simulator
