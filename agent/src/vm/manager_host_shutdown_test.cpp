// The host goes down: which guests get the power button, and what the node refuses from then on.
#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(ManagerTest, AHostThatGoesDownEndsItsGuestsAndTakesNoStartAnyMore) {
  run(command(Action::start, 1));
  const HostShutdown done = manager_->stop_guests(1000);
  EXPECT_EQ(done.powered_off + done.killed, 1);
  EXPECT_EQ(done.failed, 0);
  const auto report = manager_->inspect(vm_, 0);
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_EQ(report.revision, 1) << "no job of the server's";
  EXPECT_FALSE(report.status.exit) << "it says nothing of what is wanted of the VM";
  EXPECT_EQ(run(command(Action::start, 2)).outcome.error().reason, "host-stopping");
  EXPECT_EQ(run(restore(2)).outcome.error().reason, "host-stopping") << "it would run as well";
  open();
  EXPECT_EQ(settled().status.status_reason.find("the host was shut down"), 0u);
  EXPECT_TRUE(run(command(Action::start, 2)).outcome) << "the host is back";
}

TEST_F(ManagerTest, AHostThatGoesDownSaysOfAVmThatItHasHowItIs) {
  run(command(Action::start, 1));
  manager_->stop_guests(1000);
  const auto refused = run(command(Action::start, 2));
  EXPECT_EQ(refused.outcome.error().reason, "host-stopping");
  EXPECT_FALSE(refused.report.missing);
  EXPECT_EQ(refused.report.status.state, VmState::shutdown);
  EXPECT_EQ(refused.report.revision, 1) << "it has taken no other";
  EXPECT_GT(refused.report.seq, 0);
  EXPECT_TRUE(run(command(Action::start, 1)).outcome) << "what was carried out before isn't refused now";
  Command absent = command(Action::start, 1);
  absent.vm = core::new_uuid();
  const auto unknown = run(absent);
  EXPECT_EQ(unknown.outcome.error().reason, "host-stopping");
  EXPECT_TRUE(unknown.report.missing);
}

TEST_F(ManagerTest, AHostThatGoesDownWaitsForNoVmThatIsBeingDeleted) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  auto all = std::async(std::launch::async, [&] { return manager_->stop_guests(600'000); });
  EXPECT_TRUE(run(command(Action::remove, 2)).report.deleted);
  EXPECT_EQ(all.get().failed, 0);
}

TEST_F(ManagerTest, AHostThatGoesDownEndsAVmThatIsUnknownToo) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.inspected = VmState::unknown;
  EXPECT_EQ(run(command(Action::pause, 2)).report.status.state, VmState::unknown);
  // A record that can't be read is there: as long as that is so, the VM may run.
  const std::string run_dir = dir_ + "/vms/" + vm_ + "/run/1";
  std::filesystem::create_directories(run_dir);
  std::ofstream(run_dir + "/supervisor.json") << "damaged";
  const HostShutdown done = manager_->stop_guests(1000);
  EXPECT_EQ(done.powered_off + done.killed, 1);
}

TEST_F(ManagerTest, AHostThatGoesDownAtOnceKillsWhoeverDoesntPowerOffAtOnce) {
  run(command(Action::start, 1));
  driver_.stop_timeout_ms = -1;
  manager_->stop_guests(0);
  EXPECT_EQ(driver_.stop_timeout_ms, 0) << "none, and not the usual one";
}

// The host goes down right after the agent's start: the plugin that can press the guest's power button isn't there yet.
class SlowPluginTest : public ManagerTest {
 protected:
  // `interrupted`: the command that was under way when the agent before ended.
  void open_while_it_loads(const std::optional<Command>& interrupted = {}) {
    const std::string ready = dir_ + "/ready";
    starts_spawn({"report", ready, "usr1", "exit", "7"});
    ASSERT_TRUE(start(1, R"({"name":"db","hypervisor":"slow","spec":{}})").outcome);
    while (!std::filesystem::exists(ready)) std::this_thread::yield();
    driver_.on_stop = [&] { end_vmm(); };
    driver_.slow_is_loading = true;
    if (interrupted) interrupt(*interrupted, VmState::running);
    open();
  }
  // Returns once the node refuses starts.
  std::future<HostShutdown> begin_to_stop(std::int64_t timeout_ms) {
    auto all = std::async(std::launch::async, [this, timeout_ms] { return manager_->stop_guests(timeout_ms); });
    Command other = restore(2);
    other.vm = core::new_uuid();
    while (run(other).outcome.error().reason != "host-stopping") std::this_thread::yield();
    return all;
  }
  void ends_in_time_after(const Command& interrupted) {
    open_while_it_loads(interrupted);
    constexpr std::int64_t kPatienceMs = 9'000;  // less than carrying a command through may take otherwise
    const std::int64_t end_ns = plugin::monotonic_ns() + kPatienceMs * 1'000'000;
    auto all = begin_to_stop(kPatienceMs);
    driver_.slow_is_loading = false;
    EXPECT_EQ(all.get().failed, 0);
    EXPECT_GT(driver_.change_deadline_ns, 0) << "it was carried through";
    EXPECT_LT(driver_.change_deadline_ns, end_ns);
  }
};

TEST_F(SlowPluginTest, AHostThatGoesDownWaitsForThePluginOfARecoveringVm) {
  open_while_it_loads();
  constexpr std::int64_t kPatienceMs = 600'000;
  auto all = begin_to_stop(kPatienceMs);
  EXPECT_EQ(run(restore(2)).outcome.error().reason, "recovering") << "how the VM is can't be said yet";
  const int before = driver_.early_finds;
  while (driver_.early_finds < before + 2) std::this_thread::yield();  // its turn on the strand has come meanwhile
  driver_.slow_is_loading = false;
  EXPECT_EQ(all.get().failed, 0);
  EXPECT_EQ(driver_.stops, 1);
  EXPECT_GT(driver_.stop_timeout_ms, 0);
  EXPECT_LT(driver_.stop_timeout_ms, kPatienceMs) << "what was left";
  const auto ended = processes_->find({vm_, 1});
  ASSERT_TRUE(ended && ended->exit);
  EXPECT_EQ(ended->exit->kind, ExitKind::exited) << "it wasn't killed";
}

TEST_F(SlowPluginTest, ARecoveryThatBeginsAsTheHostGoesDownDoesNotTakeTheGuestsTime) {
  open_while_it_loads();
  constexpr std::int64_t kPatienceMs = 20'000;  // less than a recovery may take otherwise
  const std::int64_t end_ns = plugin::monotonic_ns() + kPatienceMs * 1'000'000;
  auto all = begin_to_stop(kPatienceMs);
  driver_.slow_is_loading = false;
  EXPECT_EQ(all.get().failed, 0);
  EXPECT_GT(driver_.recover_deadline_ns, 0) << "it was asked";
  EXPECT_LT(driver_.recover_deadline_ns, end_ns);
}

TEST_F(SlowPluginTest, AVmThatASnapshotLeftPausedGoesOnInAPartOfTheGuestsTime) {
  driver_.recovered = VmState::paused;
  ends_in_time_after(snapshot(2));
  EXPECT_EQ(driver_.resumes, 1);
}

TEST_F(SlowPluginTest, AnInterruptedResizeIsCarriedThroughInAPartOfTheGuestsTime) {
  ends_in_time_after(resize(2, 4));
  EXPECT_EQ(driver_.vcpus, 4);
}

TEST_F(ManagerTest, AHostThatGoesDownCancelsARecoveryThatHangs) {
  start_with_an_end();
  driver_.on_stop = [&] { end_vmm(); };
  driver_.hang_recover = true;
  open();
  while (driver_.recoveries == 0) std::this_thread::yield();
  EXPECT_EQ(manager_->stop_guests(1'000).failed, 0);
  EXPECT_TRUE(driver_.recover_cancelled);
  EXPECT_EQ(driver_.stops, 1) << "its power button was pressed";
  const auto ended = processes_->find({vm_, 1});
  ASSERT_TRUE(ended && ended->exit);
  EXPECT_EQ(ended->exit->kind, ExitKind::exited) << "it wasn't killed";
}

TEST_F(ManagerTest, AHostThatGoesDownLeavesAGuestWhoseRecoveryFailsHalfOfTheTime) {
  start_with_an_end();
  driver_.on_stop = [&] { end_vmm(); };
  driver_.busy_recover = true;
  open();
  told([](const core::VmReport& report) { return report.status.status_reason.find("tried ") != std::string::npos; });
  constexpr std::int64_t kPatienceMs = 3'000;
  EXPECT_EQ(manager_->stop_guests(kPatienceMs).failed, 0);
  EXPECT_GT(driver_.stop_timeout_ms, 0) << "it can't power off in no time";
  EXPECT_LE(driver_.stop_timeout_ms, kPatienceMs / 2);
  const auto ended = processes_->find({vm_, 1});
  ASSERT_TRUE(ended && ended->exit);
  EXPECT_EQ(ended->exit->kind, ExitKind::exited) << "it wasn't killed";
}

}  // namespace
}  // namespace qarax::agent
