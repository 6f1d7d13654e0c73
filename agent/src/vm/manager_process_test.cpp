// Where the plugin's word and the process differ: a VMM that lives is never reported as ended.
#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(ManagerTest, AStopThatOnlySaysSoEndsTheVmm) {
  starts_spawn({"wait"});
  std::int64_t revision = 0;
  for (const Action action : {Action::stop, Action::force_stop}) {
    const std::int64_t incarnation = ++revision;
    ASSERT_TRUE(run(command(Action::start, incarnation)).outcome);
    ASSERT_TRUE(lives(incarnation));
    const auto stopped = run(command(action, ++revision));
    EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
    EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
    EXPECT_FALSE(lives(incarnation)) << "the next start's VMM would have its disks with it";
    EXPECT_EQ(stopped.report.status.exit->signal, SIGKILL);
    EXPECT_NE(stopped.report.status.status_reason.find("still ran"), std::string::npos);
  }
}

TEST_F(ManagerTest, AVmmThatIsOnItsWayOutIsntKilledForIt) {
  start_with_an_end();
  driver_.on_stop = [&] { end_vmm(); };
  const auto stopped = run(command(Action::stop, 2));
  EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
  EXPECT_EQ(processes_->find({vm_, 1})->exit->code, 7);
}

TEST_F(ManagerTest, AVmmThatLivesIsUnknownWhateverItsPluginSays) {
  starts_spawn({"wait"});
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  const auto is_unknown = [](const core::VmReport& report) { return report.status.state == VmState::unknown; };
  driver_.inspected = VmState::shutdown;
  EXPECT_EQ(manager_->inspect(vm_, 0).status.state, VmState::unknown);
  manager_->look_again(vm_);
  EXPECT_NE(told(is_unknown).status.status_reason.find("while its VMM runs"), std::string::npos);
  driver_.recovered = VmState::shutdown;
  open();
  EXPECT_EQ(settled().status.state, VmState::unknown);
  EXPECT_EQ(run(command(Action::start, 2)).outcome.error().reason, "wrong-state");
  EXPECT_TRUE(run(command(Action::force_stop, 3)).outcome);
  EXPECT_FALSE(lives(1));
}

TEST_F(ManagerTest, WhatACommandLeavesIsBelievedNoMoreThanTheProcessAllows) {
  starts_spawn({"wait"});
  for (const VmState said : {VmState::shutdown, VmState::created}) {
    vm_ = core::new_uuid();
    run(command(Action::start, 1));
    driver_.paused_as = said;
    EXPECT_EQ(run(command(Action::pause, 2)).report.status.state, VmState::unknown);
    EXPECT_TRUE(run(command(Action::remove, 3)).outcome);
    vm_ = core::new_uuid();
    run(command(Action::start, 1));
    driver_.fail_pause = true;
    driver_.inspected = said;
    EXPECT_NE(run(command(Action::pause, 2)).report.status.status_reason.find("while its VMM runs"), std::string::npos);
    driver_.fail_pause = false;
    EXPECT_TRUE(run(command(Action::remove, 3)).outcome);
  }
}

TEST_F(ManagerTest, AStartBesideALiveProcessIsRefusedAndLeavesItAlone) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  // As after an end that was reported wrongly.
  driver_.inspected = VmState::shutdown;
  close();
  driver_.recovered = VmState::shutdown;
  open();
  settled();
  const auto refused = run(command(Action::start, 2));
  EXPECT_FALSE(refused.outcome) << "it would have the same disks";
  EXPECT_TRUE(lives(1)) << refused.outcome.error().message;
  const std::string run_dir = processes_->run_dir(vm_, 1);
  EXPECT_EQ(processes_->check_alone({vm_, 2}).error().code, Code::failed_precondition);
  EXPECT_TRUE(processes_->check_alone({vm_, 1})) << "a start that is repeated";
  EXPECT_TRUE(std::filesystem::exists(run_dir + "/supervisor.json"));
  EXPECT_TRUE(run(command(Action::force_stop, 3)).outcome);
  EXPECT_TRUE(processes_->check_alone({vm_, 2}));
}

TEST_F(ManagerTest, AForceStopAndADeleteNeedNoPluginThatSaysSo) {
  starts_spawn({"wait"});
  for (const VmState said : {VmState::running, VmState::unknown}) {
    driver_.stopped_as = said;
    driver_.inspected = VmState::running;
    vm_ = core::new_uuid();
    ASSERT_TRUE(run(command(Action::start, 1)).outcome);
    const auto polite = run(command(Action::stop, 2));
    EXPECT_EQ(polite.outcome.error().reason, "vmm-failed") << "it goes on, and whoever asked has to know";
    EXPECT_TRUE(lives(1));
    const auto stopped = run(command(Action::force_stop, 3));
    EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
    EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
    EXPECT_FALSE(lives(1));
    EXPECT_TRUE(run(command(Action::start, 4)).outcome);
    EXPECT_TRUE(run(command(Action::remove, 5)).outcome);
  }
}

TEST_F(ManagerTest, AnEndIsToldThoughThePluginHangs) {
  driver_.inspected = VmState::running;
  start_with_an_end();
  const auto ended = [](const core::VmReport& report) { return report.status.state == VmState::shutdown; };
  std::vector<VmState> heard;
  std::uint64_t id = 0;
  driver_.deaf_inspect = true;
  manager_->look_again(vm_);
  while (driver_.inspects == 0) std::this_thread::yield();
  end_vmm();
  const core::VmReport report = told(ended);
  EXPECT_EQ(report.status.exit->code, 7);
  manager_->subscribe([&](const core::VmReport& r) { heard.push_back(r.status.state); }, id);
  driver_.release();  // it now answers "running", which was true when it was asked
  EXPECT_EQ(run(command(Action::force_stop, 2)).report.status.state, VmState::shutdown);
  close();
  for (const VmState state : heard) EXPECT_EQ(state, VmState::shutdown);
}

TEST_F(ManagerTest, AnEndIsToldThoughThePluginHangsOverIt) {
  start_with_an_end();
  driver_.deaf_inspect = true;
  end_vmm();
  const auto ended = [](const core::VmReport& report) { return report.status.state == VmState::shutdown; };
  EXPECT_EQ(told(ended).status.status_reason, "the VMM exited with code 7");
  driver_.release();
  open();
  EXPECT_EQ(settled().status.exit->code, 7) << "it is on record, too";
}

TEST_F(ManagerTest, AVmWhosePluginHangsIsUnknownUntilItAnswers) {
  run(command(Action::start, 1));
  driver_.inspected = VmState::paused;
  driver_.deaf_inspect = true;
  manager_->look_again(vm_);
  const auto is = [](VmState state) {
    return [state](const core::VmReport& report) { return report.status.state == state; };
  };
  EXPECT_NE(told(is(VmState::unknown)).status.status_reason.find("doesn't answer"), std::string::npos);
  driver_.release();
  told(is(VmState::paused));
}

TEST_F(ManagerTest, AStartBesideAnEarlierVmmIsRefusedAndTheVmUnknown) {
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  ASSERT_TRUE(spawn(1, {"wait"}));
  const auto refused = run(command(Action::start, 3));
  EXPECT_EQ(refused.outcome.error().reason, "wrong-state") << refused.outcome.error().message;
  EXPECT_EQ(refused.report.status.state, VmState::unknown);
  EXPECT_EQ(driver_.starts, 1);
  EXPECT_TRUE(run(command(Action::force_stop, 4)).outcome);
  EXPECT_FALSE(lives(1));
  EXPECT_TRUE(run(command(Action::start, 5)).outcome);
}

}  // namespace
}  // namespace qarax::agent
