#include "qarax/core/lifecycle.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

constexpr VmState kStates[] = {VmState::unknown, VmState::created, VmState::running, VmState::paused,
                               VmState::shutdown};

// p: proceed, n: no change, r: refuse. Rows in the order of kActions, columns in that of kStates.
constexpr const char* kTable[] = {
    "rpnrp",  // start
    "rnppn",  // stop
    "pnppn",  // force-stop
    "rrpnr",  // pause
    "rrnpr",  // resume
    "rrprr",  // reboot
    "ppppp",  // delete
    "rpprp",  // resize
    "rrppr",  // snapshot
    "rprrp",  // restore
    "rpppp",  // delete-snapshot
};
static_assert(std::size(kTable) == std::size(kActions));

TEST(Lifecycle, TableIsTheContract) {
  for (std::size_t a = 0; a < std::size(kActions); ++a) {
    for (std::size_t s = 0; s < std::size(kStates); ++s) {
      const char expected = kTable[a][s];
      const Verdict verdict = judge(kActions[a], kStates[s]);
      const char got = verdict == Verdict::proceed ? 'p' : verdict == Verdict::no_change ? 'n' : 'r';
      EXPECT_EQ(got, expected) << to_string(kActions[a]) << " from " << to_string(kStates[s]);
    }
  }
}

TEST(Lifecycle, NoChangeMeansTheTargetIsReached) {
  for (const Action action : kActions) {
    for (const VmState state : kStates) {
      if (judge(action, state) != Verdict::no_change || state == VmState::created) continue;
      EXPECT_EQ(target(action), state) << to_string(action);
    }
  }
}

TEST(Lifecycle, EveryActionIsFoundByItsName) {
  for (const Action action : kActions) EXPECT_EQ(action_named(to_string(action)), action);
  EXPECT_EQ(action_named("fly"), std::nullopt);
}

TEST(Lifecycle, WhatKeepsTheStateHasNoTarget) {
  for (const Action action : {Action::resize, Action::snapshot, Action::drop_snapshot}) {
    EXPECT_EQ(target(action), std::nullopt) << to_string(action);
    EXPECT_FALSE(state_tells(action)) << to_string(action);
  }
  EXPECT_TRUE(state_tells(Action::start));
  EXPECT_FALSE(state_tells(Action::restore));
}

TEST(Lifecycle, RefusalNamesTheVmItsStateAndTheWayOut) {
  const Error error = refusal(Action::start, VmState::paused, "web");
  EXPECT_EQ(error.code, Code::failed_precondition);
  EXPECT_EQ(error.message, "VM web is paused; start needs created or shutdown. Resume it, or stop it first.");
  EXPECT_EQ(error.reason, "wrong-state");
}

TEST(Lifecycle, Precedence) {
  EXPECT_GT(precedence(Action::remove), precedence(Action::force_stop));
  EXPECT_GT(precedence(Action::force_stop), precedence(Action::stop));
  EXPECT_GT(precedence(Action::stop), precedence(Action::start));
  EXPECT_EQ(precedence(Action::pause), precedence(Action::resume));
  EXPECT_EQ(precedence(Action::restore), precedence(Action::start));
}

}  // namespace
}  // namespace qarax::core
