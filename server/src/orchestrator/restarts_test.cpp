#include "restarts.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace qarax::server {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

class RestartsTest : public ::testing::Test {
 protected:
  RestartsTest() {
    vm.id = "a";
    vm.incarnation = 1;
    vm.restart.policy = RestartPolicy::on_failure;
    vm.desired = {VmState::running, Origin::user, 1};
    ended();
  }
  void ended() { vm.observed.status.state = VmState::shutdown; }
  void runs() { vm.observed.status.state = VmState::running; }
  // Changes the record as the store does when a restart is recorded; its start then ends at once.
  void restarted() {
    ++vm.incarnation;
    ++vm.restart.count;
  }
  // What the store does with a VM that has come to rest is done, too.
  bool due_at(std::int64_t ms) {
    const auto turn = restarts->turn({std::make_shared<const VmRecord>(vm)}, ms * kNsPerMs + 1);
    calm = !turn.calm.empty();
    if (calm) vm.restart.count = 0;
    return !turn.due.empty();
  }

  VmRecord vm;
  bool calm = false;
  std::optional<Restarts> restarts{Restarts::Options{100, 1'000, 60'000}};
};

TEST_F(RestartsTest, OnlyWhatIsForCertainAnotherStateDrifts) {
  EXPECT_TRUE(drifts(vm));
  vm.observed.status.state = VmState::unknown;
  EXPECT_FALSE(drifts(vm)) << "nobody knows";
  vm.observed.status.state = VmState::paused;
  EXPECT_TRUE(drifts(vm));
  vm.activity = "resume";
  EXPECT_FALSE(drifts(vm)) << "it is being seen to";
  vm.activity.clear();
  vm.desired.state = VmState::created;
  EXPECT_TRUE(drifts(vm)) << "it shouldn't be there at all";
  ended();
  EXPECT_FALSE(drifts(vm)) << "its first start failed: it doesn't run, as it was before";
  vm.desired.state = VmState::shutdown;
  vm.observed.status.state = VmState::created;
  EXPECT_FALSE(drifts(vm));
}

TEST_F(RestartsTest, EachRestartInARowWaitsTwiceAsLong) {
  std::int64_t now = 0;
  for (const std::int64_t wait : {100, 200, 400, 800, 1'000}) {
    EXPECT_FALSE(due_at(now));
    EXPECT_FALSE(due_at(now + wait - 1)) << wait;
    EXPECT_TRUE(due_at(now + wait)) << wait;
    now += wait;
    restarted();
  }
  EXPECT_FALSE(due_at(now + 1'000'000)) << "five in a row are its limit";
}

TEST_F(RestartsTest, OneEndIsOneStartHoweverOftenItIsAsked) {
  EXPECT_FALSE(due_at(0));
  EXPECT_TRUE(due_at(100));
  EXPECT_FALSE(due_at(299)) << "its start could not be recorded: not before a longer wait";
  EXPECT_TRUE(due_at(300));
  EXPECT_FALSE(due_at(699));
  EXPECT_TRUE(due_at(700));
  vm.job_id = "busy";
  EXPECT_FALSE(due_at(10'000));
}

TEST_F(RestartsTest, WhatHasComeToRestCountsAnew) {
  vm.restart.count = vm.restart.limit;
  runs();
  EXPECT_FALSE(due_at(0));
  EXPECT_FALSE(due_at(59'999));
  EXPECT_FALSE(calm);
  EXPECT_FALSE(due_at(60'000));
  EXPECT_TRUE(calm);
  EXPECT_FALSE(due_at(60'001));
  EXPECT_FALSE(calm) << "it has no restarts that count";
  restarts.emplace(Restarts::Options{100, 1'000, 60'000});  // the server is restarted
  ended();
  EXPECT_FALSE(due_at(60'002));
  EXPECT_TRUE(due_at(60'102));
}

TEST_F(RestartsTest, OnlyWhatEndedUnmeantIsWanted) {
  const auto wanted = [&](RestartPolicy policy, VmState desired, Origin origin, VmState observed) {
    vm.restart.policy = policy;
    vm.desired = {desired, origin, 1};
    vm.observed.status.state = observed;
    return wants_restart(vm);
  };
  using P = RestartPolicy;
  EXPECT_TRUE(wanted(P::on_failure, VmState::running, Origin::user, VmState::shutdown));
  EXPECT_TRUE(wanted(P::always, VmState::running, Origin::policy, VmState::shutdown));
  EXPECT_TRUE(wanted(P::always, VmState::shutdown, Origin::guest, VmState::shutdown));
  EXPECT_FALSE(wanted(P::never, VmState::running, Origin::user, VmState::shutdown));
  EXPECT_FALSE(wanted(P::on_failure, VmState::shutdown, Origin::guest, VmState::shutdown)) << "it powered itself off";
  EXPECT_FALSE(wanted(P::always, VmState::shutdown, Origin::user, VmState::shutdown)) << "somebody stopped it";
  EXPECT_FALSE(wanted(P::always, VmState::running, Origin::user, VmState::unknown)) << "it may still run";
  EXPECT_FALSE(wanted(P::always, VmState::running, Origin::user, VmState::created));
  EXPECT_FALSE(wanted(P::always, VmState::running, Origin::user, VmState::paused));
}

}  // namespace
}  // namespace qarax::server
