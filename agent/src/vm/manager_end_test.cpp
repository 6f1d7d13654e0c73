// The agent's orderly end: what it breaks off has no result, and the next agent takes it up as after kill -9.
#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(ManagerTest, AStopThatTheAgentsEndBreaksOffIsCarriedOnByTheNext) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  driver_.hang_stop = true;
  Command stop = command(Action::stop, 2);
  stop.document = encode(core::StopCommand{4321});
  auto asked = begin(stop);
  while (driver_.stops == 0) std::this_thread::yield();
  manager_->shutdown(0);
  EXPECT_EQ(asked.get().outcome.error().reason, "node-unreachable") << "its job stays open";
  driver_.hang_stop = false;
  open();
  EXPECT_EQ(told([](const core::VmReport& report) { return report.status.state == VmState::shutdown; }).revision, 2);
  EXPECT_EQ(driver_.stop_timeout_ms, 4321);
  EXPECT_TRUE(run(stop).outcome) << "who asks again hears its end";
  EXPECT_EQ(driver_.stops, 2);
}

TEST_F(ManagerTest, AStartThatWaitsForItsTurnAtTheAgentsEndIsCarriedOutByTheNext) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  const std::string waits = std::exchange(vm_, core::new_uuid());
  driver_.deaf_start = true;
  auto booting = begin(command(Action::start, 1));
  while (driver_.starts == 1) std::this_thread::yield();
  vm_ = waits;
  auto waiting = begin(command(Action::start, 3));
  manager_->shutdown(0);
  EXPECT_EQ(waiting.get().outcome.error().reason, "node-unreachable");
  EXPECT_EQ(booting.get().outcome.error().reason, "node-unreachable");
  driver_.release();
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  const auto again = run(command(Action::start, 3));
  EXPECT_TRUE(again.outcome) << again.outcome.error().message;
  EXPECT_EQ(again.report.status.state, VmState::running);
}

TEST_F(ManagerTest, AStartThatTheAgentsEndBreaksOffIsToldAsInterrupted) {
  driver_.hang_start = true;
  auto asked = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  manager_->shutdown(0);
  EXPECT_EQ(asked.get().outcome.error().reason, "node-unreachable");
  driver_.hang_start = false;
  driver_.recovered = VmState::shutdown;
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(run(command(Action::start, 1)).outcome.error().reason, "interrupted");
  EXPECT_TRUE(run(command(Action::start, 2)).outcome);
}

TEST_F(ManagerTest, AStartThatTheAgentsEndBreaksOffIsNoEndOfItsVm) {
  std::promise<void> begun;
  std::promise<void> go_on;
  driver_.spawn = [&](std::int64_t incarnation) -> Status {
    QARAX_CHECK(spawn(incarnation, {"wait"}));
    begun.set_value();
    go_on.get_future().wait();
    return make_error(Code::cancelled, "cancelled");
  };
  auto asked = begin(command(Action::start, 1));
  begun.get_future().wait();
  manager_->shutdown(0);
  EXPECT_EQ(asked.get().outcome.error().reason, "node-unreachable");
  go_on.set_value();
  close();  // its VMM is killed
  driver_.spawn = nullptr;
  ASSERT_EQ(processes_->find({vm_, 1})->exit->signal, SIGKILL);
  driver_.recovered = VmState::shutdown;
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_FALSE(report.status.exit) << "it had never run";
  EXPECT_EQ(report.status.status_reason, "its start was interrupted and undone");
}

TEST_F(ManagerTest, ASnapshotThatTheAgentsEndBreaksOffIsUndoneAndToldAsThat) {
  run(command(Action::start, 1));
  driver_.hang_snapshot = true;
  driver_.inspected = VmState::paused;
  auto asked = begin(snapshot(2));
  while (driver_.snapshots == 0) std::this_thread::yield();
  manager_->shutdown(0);
  EXPECT_EQ(asked.get().outcome.error().reason, "node-unreachable");
  close();  // waits for the rest of the strand's work
  driver_.hang_snapshot = false;
  driver_.inspected = VmState::running;
  open();
  EXPECT_EQ(settled().status.state, VmState::running);
  EXPECT_EQ(driver_.resumes, 1) << "it ran before";
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  EXPECT_EQ(run(snapshot(2)).outcome.error().reason, "interrupted");
  EXPECT_TRUE(run(snapshot(3)).outcome);
}

TEST_F(ManagerTest, WhatSucceedsAfterTheAgentsEndHasCancelledItHasItsResult) {
  run(command(Action::start, 1));
  std::promise<void> go_on;
  driver_.on_stop = [&] { go_on.get_future().wait(); };
  auto asked = begin(command(Action::stop, 2));
  while (driver_.stops == 0) std::this_thread::yield();
  manager_->shutdown(0);
  EXPECT_EQ(asked.get().outcome.error().reason, "node-unreachable");
  go_on.set_value();
  close();
  driver_.on_stop = nullptr;
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_TRUE(run(command(Action::stop, 2)).outcome);
  EXPECT_EQ(driver_.stops, 1);
}

TEST_F(ManagerTest, AForceStopThatHasOvertakenAHungCallIsOnRecordThoughTheAgentEnds) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  auto forced = begin(command(Action::force_stop, 2));
  manager_->shutdown(0);
  while (manager_->cancel(vm_, 2)) std::this_thread::yield();  // until it has come to its end
  EXPECT_EQ(manager_->inspect(vm_, 0).status.status_reason, "killed while a plugin call hung");
  driver_.release();
  close();
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_EQ(report.revision, 2);
  EXPECT_TRUE(run(command(Action::force_stop, 2)).outcome);
}

TEST(Operation, WhoeverCancelsItFirstDecidesWhetherItHasAResult) {
  Operation by_caller({}, [](const CommandResult&) {});
  EXPECT_FALSE(by_caller.is_given_up());
  by_caller.cancel();
  by_caller.give_up();
  EXPECT_FALSE(by_caller.is_given_up());
  Operation by_the_end({}, [](const CommandResult&) {});
  by_the_end.give_up();
  by_the_end.cancel();
  EXPECT_TRUE(by_the_end.is_given_up());
}

}  // namespace
}  // namespace qarax::agent
