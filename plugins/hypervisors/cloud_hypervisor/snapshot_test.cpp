// Snapshots with fake_vmm in the VMM's place: a guest goes on where it stood, and a folder holds a whole one or none.
#include "snapshot_files.hpp"
#include "testing/test_plugin.hpp"

namespace qarax::cloud_hypervisor {
namespace {

using testing::kPatienceMs;

class Snapshots : public testing::PluginTest {
 protected:
  Result<VmStatus> snapshot() { return plugin().snapshot(call.get(), {vm()}); }
  // A running guest's, whose caller has no patience for `step`.
  Result<VmStatus> given_up_during(const std::string& step) {
    takes_long(step);
    start();
    return during_a_long(
        step, [&] { return snapshot(); }, [&] { call.cancel(); });
  }
  StartArgs next() const {
    auto args = start_args();
    args.incarnation = 2;
    args.run_dir = dir() + "/run2";
    return args;
  }
  bool empty() const { return std::filesystem::is_empty(dir() + "/snapshot"); }
};

TEST_F(Snapshots, AGuestGoesOnWhereItStoodUnderItsNewSockets) {
  start();
  ASSERT_NE(host.console("qarax uptime 2", kPatienceMs), "");
  ASSERT_TRUE(plugin().resize(call.get(), {vm(), 3, std::nullopt}));
  const auto written = snapshot();
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->state, VmState::running) << "it goes on after its snapshot";
  ASSERT_TRUE(snapshot()) << "a second one replaces the first";
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));

  const std::size_t from = host.console_size();
  // The host's record of the VM follows its size.
  auto args = next();
  args.spec.boot_vcpus = 3;
  const auto restored = plugin().restore(call.get(), args);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(restored->state, VmState::running);
  EXPECT_NE(restored->live.text.find(R"("vcpus":3)"), std::string::npos) << restored->live.text;
  const std::string said = host.console("qarax uptime", kPatienceMs, from);
  ASSERT_NE(said, "");
  EXPECT_EQ(said.find("qarax guest:"), std::string::npos) << "it booted: " << said;
  EXPECT_EQ(said.find("qarax uptime 1."), std::string::npos) << said;
  EXPECT_FALSE(std::filesystem::exists(dir() + "/run2/" + kRestoreView));
  EXPECT_TRUE(std::filesystem::exists(dir() + "/run2/" + kSerial));
}

TEST_F(Snapshots, MemoryThatIsFaultedInAtABootIsSoAtARestore) {
  auto args = start_args();
  args.spec.memory_prefault = true;
  ASSERT_TRUE(plugin().start(call.get(), args));
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  args = next();
  args.spec.memory_prefault = true;
  const auto restored = plugin().restore(call.get(), args);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_NE(host.console("memory faulted in", kPatienceMs), "");
}

TEST_F(Snapshots, APausedGuestStaysPaused) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  ASSERT_TRUE(snapshot());
  EXPECT_EQ(inspect(), VmState::paused);
}

TEST_F(Snapshots, AWritableDiskIsNamedAndAReadonlyOneIsNot) {
  start();
  ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()}));
  const auto refused = snapshot();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_NE(refused.error().message.find("the writable disk data"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(empty());
  EXPECT_EQ(inspect(), VmState::running);
  ASSERT_TRUE(plugin().detach_disk(call.get(), {vm(), "data"}));
  ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk(true)}));
  EXPECT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  // It came along, and can be taken out where the guest goes on.
  const auto restored = plugin().restore(call.get(), next());
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_NE(restored->live.text.find(R"("disks":["data"])"), std::string::npos) << restored->live.text;
  const VmArgs again{vm().vm, 2, dir() + "/run2", {call.kept}};
  ASSERT_TRUE(plugin().detach_disk(call.get(), {again, "data"}));
  EXPECT_EQ(ApiClient(again.run_dir, kApiMs).info(call.get())->devices.size(), 0u);
}

TEST_F(Snapshots, OneThatFailsLeavesNothingAndTheGuestRunning) {
  host.more_env["FAKE_VMM_FAULTS"] = "vm.snapshot=error";
  start();
  ASSERT_FALSE(snapshot());
  EXPECT_TRUE(empty());
  EXPECT_EQ(inspect(), VmState::running);
}

TEST_F(Snapshots, ARestoreMayTakeAsLongAsItsCall) {
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  takes_long("vm.restore");
  const auto restored = during_a_long("vm.restore", [&] { return plugin().restore(call.get(), next()); });
  EXPECT_TRUE(restored) << restored.error().message;
}

TEST_F(Snapshots, AGuestGoesOnAfterOneThatWasGivenUpHoweverLongItTakes) {
  const auto given_up = given_up_during("vm.snapshot");
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().code, Code::cancelled) << given_up.error().message;
  EXPECT_TRUE(empty());
  plugin::testing::TestCall other;
  EXPECT_EQ(plugin().inspect(other.get(), vm())->state, VmState::running) << "it is left paused for good";
}

TEST_F(Snapshots, OneThatWasGivenUpEndsWithItsVmm) {
  takes_long("vm.snapshot");
  start();
  auto given_up = std::async(std::launch::async, [&] { return snapshot(); });
  while (!std::filesystem::exists(dir() + "/go.reached")) std::this_thread::yield();
  call.cancel();
  ASSERT_TRUE(host.kill(nullptr, {}));
  EXPECT_FALSE(given_up.get());
  EXPECT_EQ(inspect(), VmState::shutdown);
}

TEST_F(Snapshots, OneWhosePauseIsGivenUpLeavesTheGuestRunning) {
  ASSERT_FALSE(given_up_during("vm.pause"));
  plugin::testing::TestCall other;
  EXPECT_EQ(plugin().inspect(other.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, WhatCanNotGoOnIsRefusedAndLeavesNothing) {
  const auto why = [&] {
    const auto refused = plugin().restore(call.get(), next());
    EXPECT_TRUE(std::filesystem::is_empty(dir() + "/run2"));
    return refused ? std::string() : refused.error().message;
  };
  EXPECT_NE(why().find("no whole snapshot"), std::string::npos);
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  auto machine = *read_machine(dir() + "/snapshot");
  const auto original = machine;
  machine.version = "v44.0";
  ASSERT_TRUE(finish_snapshot(dir() + "/snapshot", machine));
  EXPECT_NE(why().find("v44.0"), std::string::npos) << why();
  machine = original;
  machine.spec.boot_vcpus = machine.vcpus = 4;
  ASSERT_TRUE(finish_snapshot(dir() + "/snapshot", machine));
  EXPECT_NE(why().find("boot_vcpus"), std::string::npos) << why();
  ASSERT_TRUE(finish_snapshot(dir() + "/snapshot", original));
  std::filesystem::remove(dir() + "/snapshot/memory-ranges");
  EXPECT_NE(why().find("Cannot restore VM"), std::string::npos) << why();
  binary = dir() + "/none";
  restart();
  EXPECT_NE(why().find("can't be run: No such file"), std::string::npos) << why();
}

TEST_F(Snapshots, ARestoreThatFailsAtAnyStepLeavesNothingButTheSnapshot) {
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  for (const char* step : {"vm.info", "vm.restore", "vm.resume"})
    for (const std::string fault : {"hangs", "garbage", "error", "cut", "dies"}) {
      // 500 is what v44.0 says where no VM was created yet.
      if (step + fault == "vm.infoerror") continue;
      SCOPED_TRACE(step + (" " + fault));
      host.more_env["FAKE_VMM_FAULTS"] = step + ("=" + fault);
      call.set_deadline_ms(fault == "hangs" ? 300 : kPatienceMs);
      const auto refused = plugin().restore(call.get(), next());
      ASSERT_FALSE(refused);
      if (fault == "hangs") {
        EXPECT_EQ(refused.error().code, Code::deadline_exceeded) << refused.error().message;
      } else {
        EXPECT_EQ(refused.error().reason, "vmm-failed") << refused.error().message;
      }
      EXPECT_FALSE(host.find(nullptr, {})->alive);
      EXPECT_TRUE(std::filesystem::is_empty(dir() + "/run2"));
    }
  host.more_env["FAKE_VMM_FAULTS"] = "";
  call.set_deadline_ms(kPatienceMs);
  EXPECT_TRUE(plugin().restore(call.get(), next())) << "none of it was the snapshot's end";
}

TEST_F(Snapshots, UnderLandlockThereAreNone) {
  settings = R"(,"landlock":true)";
  restart();
  start();
  EXPECT_EQ(snapshot().error().reason, "capability-missing");
}

}  // namespace
}  // namespace qarax::cloud_hypervisor
