#include "boot_gate.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <stdexcept>

namespace qarax::agent {
namespace {

using Got = std::promise<Result<BootGate::Turn>>;

// A process that only waits, like a booted guest, or one that keeps its CPU busy.
class Child {
 public:
  explicit Child(bool works) : pid_(::fork()) {
    if (pid_ != 0) return;
    for (;;)
      if (!works) ::pause();
  }
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ProcessId id() const { return {pid_, core::process_start_time(pid_).value_or(0)}; }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

class BootGateTest : public ::testing::Test {
 protected:
  static BootGate::Turn take(BootGate& gate) {
    auto turn = gate.try_enter();
    EXPECT_TRUE(turn);
    return std::move(*turn);
  }
  static std::future<Result<BootGate::Turn>> wait(BootGate& gate, const CallLimits& limits = {}) {
    auto got = std::make_shared<Got>();
    gate.enter(limits, [got](Result<BootGate::Turn> turn) { got->set_value(std::move(turn)); });
    return got->get_future();
  }
};

TEST_F(BootGateTest, ThereAreAsManyTurnsAsSlots) {
  BootGate gate(2);
  auto first = gate.try_enter();
  const auto second = gate.try_enter();
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_FALSE(gate.try_enter());
  first.reset();
  EXPECT_TRUE(gate.try_enter());
}

TEST_F(BootGateTest, WhoWaitsGetsTheSlotInTurnAndNobodyOvertakes) {
  BootGate gate(1);
  std::optional<BootGate::Turn> held(take(gate));
  auto first = wait(gate);
  auto second = wait(gate);
  held.reset();
  auto got = first.get();
  ASSERT_TRUE(got);
  EXPECT_FALSE(gate.try_enter()) << "somebody else waits";
  std::optional<BootGate::Turn> taken(std::move(*got));
  taken.reset();
  EXPECT_TRUE(second.get());
}

TEST_F(BootGateTest, ACancelOrADeadlineEndsTheWait) {
  BootGate gate(1);
  const auto held = take(gate);
  const core::Fd cancel(::eventfd(0, EFD_CLOEXEC));
  auto cancelled = wait(gate, {0, cancel.get()});
  ::eventfd_write(cancel.get(), 1);
  EXPECT_EQ(cancelled.get().error().code, Code::cancelled);
  const auto in_vain = wait(gate, CallLimits{}.within_ms(20)).get();
  EXPECT_EQ(in_vain.error().code, Code::deadline_exceeded);
  EXPECT_EQ(in_vain.error().reason, "boot-queue-full") << "the VMM that doesn't answer is another matter";
}

TEST_F(BootGateTest, ASlotIsFreeWhenItsVmmIsCalmOrGone) {
  BootGate gate(1);
  Child calm(false);
  take(gate).until_calm(calm.id());
  auto next = wait(gate).get();
  ASSERT_TRUE(next);
  Child busy(true);
  std::move(*next).until_calm(busy.id());
  EXPECT_EQ(wait(gate, CallLimits{}.within_ms(300)).get().error().code, Code::deadline_exceeded);
  busy.end();
  EXPECT_TRUE(wait(gate).get());
}

TEST_F(BootGateTest, ATurnThatNobodyGivesBackLapses) {
  BootGate gate(1, 50);
  std::optional<BootGate::Turn> kept(take(gate));  // held by a plugin whose start doesn't return
  auto next = wait(gate, CallLimits{}.within_ms(10'000)).get();
  ASSERT_TRUE(next) << next.error().message;
  kept.reset();
  EXPECT_FALSE(gate.try_enter()) << "what has lapsed isn't given back once more";
  const Child calm(false);
  std::optional<BootGate::Turn> late(std::move(*next));
  auto third = wait(gate, CallLimits{}.within_ms(10'000)).get();
  ASSERT_TRUE(third) << third.error().message;
  std::move(*late).until_calm(calm.id());
  EXPECT_FALSE(gate.try_enter());
}

TEST_F(BootGateTest, WhoThrowsAtItsTurnGivesItToTheNext) {
  BootGate gate(1);
  std::optional<BootGate::Turn> held(take(gate));
  gate.enter({}, [](const Result<BootGate::Turn>&) { throw std::runtime_error("of the test"); });
  auto next = wait(gate);
  held.reset();
  EXPECT_TRUE(next.get());
}

TEST_F(BootGateTest, ItsEndIsToldToWhoWaits) {
  BootGate gate(1);
  const auto held = take(gate);
  auto waiting = wait(gate);
  gate.stop();
  EXPECT_EQ(waiting.get().error().code, Code::unavailable);
  EXPECT_EQ(wait(gate).get().error().code, Code::unavailable);
}

}  // namespace
}  // namespace qarax::agent
