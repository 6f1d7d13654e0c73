#include "own_calls.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <future>

#include "qarax/core/clock.hpp"
#include "qarax/core/worker_pool.hpp"
#include "steps.hpp"

namespace qarax::agent {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class OwnCallsTest : public ::testing::Test {
 protected:
  void TearDown() override { timers_.stop(); }  // before what its work uses is destroyed
  // Returns when all that was due has been done.
  void let_timers_come() {
    std::promise<void> come;
    timers_.in_ms(1, [&] { come.set_value(); });
    come.get_future().wait();
    timers_.stop();
  }

  core::SystemClock clock_;
  core::WorkerPool pool_{"vm", 1, 1};
  Reports reports_{"session", clock_};
  Timers timers_;
  OwnCalls calls_{reports_, timers_, 0};
  const std::shared_ptr<Vm> vm_ =
      std::make_shared<Vm>(pool_, "web", "/no/such/folder", 1, status_with(VmState::running, {}));
};

TEST_F(OwnCallsTest, IsCancelledByWhateverFindsItWithTheVm) {
  {
    const auto asked = calls_.begin(vm_, kHourMs);
    ASSERT_NE(vm_->own_call, nullptr);
    pollfd cancelled{asked.call().cancel_fd, POLLIN, 0};
    EXPECT_EQ(::poll(&cancelled, 1, 0), 0);
    vm_->own_call->now();
    EXPECT_EQ(::poll(&cancelled, 1, 0), 1);
  }
  EXPECT_EQ(vm_->own_call, nullptr);
}

TEST_F(OwnCallsTest, OneThatHangsMakesItsVmUnknown) {
  const auto asked = calls_.begin(vm_, 0);
  let_timers_come();
  EXPECT_EQ(reports_.status_of(vm_->known).state, VmState::unknown);
}

TEST_F(OwnCallsTest, OneWithTimeLeftDoesNot) {
  const auto asked = calls_.begin(vm_, kHourMs);
  let_timers_come();
  EXPECT_EQ(reports_.status_of(vm_->known).state, VmState::running);
}

TEST_F(OwnCallsTest, OneUnderACommandLeavesTheDoubtToTheCommandsDeadline) {
  vm_->running = std::make_shared<Operation>(Command{}, [](const CommandResult&) {});
  const auto asked = calls_.begin(vm_, 0);
  let_timers_come();
  EXPECT_EQ(reports_.status_of(vm_->known).state, VmState::running);
}

TEST_F(OwnCallsTest, OneOfADeletedVmSaysNothing) {
  vm_->dead = true;
  const auto asked = calls_.begin(vm_, 0);
  let_timers_come();
  EXPECT_EQ(reports_.status_of(vm_->known).state, VmState::running);
}

}  // namespace
}  // namespace qarax::agent
