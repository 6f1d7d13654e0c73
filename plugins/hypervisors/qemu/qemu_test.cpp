// The plugin's policy against a scripted QEMU: what it does, in which order, and what each failure leaves.
#include "qemu.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "test_plugin.hpp"

namespace qarax::qemu {
namespace {

using testing::Words;
using QemuPlugin = testing::PluginTest;

TEST_F(QemuPlugin, StartKeepsAndClaimsBeforeItSpawnsAndSaysNoMoreThanNeeded) {
  plugin();
  bool spawned_before_keep = false;
  call.on_keep = [&] { spawned_before_keep = host.count("spawn") > 0 || host.count("claim socket") > 0; };
  const auto status = plugin().start(call.get(), start_args());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  EXPECT_EQ(status->accelerator, "tcg");
  EXPECT_FALSE(spawned_before_keep);
  EXPECT_EQ(host.commands(), (Words{"qmp_capabilities", "cont"}));
  const auto calls = host.calls();
  EXPECT_EQ(Words(calls.end() - 3, calls.end()), (Words{"claim socket", "claim socket", "spawn"}));
  EXPECT_EQ(host.spawned.console_connect, run_dir() + "/serial.sock");
  EXPECT_EQ(host.spawned.env.count("HOME"), 0u);
  const auto handle = read_handle(vm());
  ASSERT_TRUE(handle) << handle.error().message;
  EXPECT_EQ(handle->accelerator, "tcg");
}

TEST_F(QemuPlugin, AStartOfAMachineThatCanGrowSaysNoMoreEither) {
  auto args = start_args();
  args.spec.max_vcpus = 4;
  args.spec.memory_hotplug_size = 1 << 30;
  const auto status = plugin().start(call.get(), args);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(host.commands(), (Words{"qmp_capabilities", "cont"}));
  EXPECT_NE(status->live.text.find(R"("vcpus":1,"memory":134217728)"), std::string::npos) << status->live.text;
}

TEST_F(QemuPlugin, AStartThatIsRepeatedAnswersWhatIs) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  const auto again = plugin().start(call.get(), start_args());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->state, VmState::paused);
  EXPECT_EQ(host.count("spawn"), 1);
  never_ran();
  EXPECT_EQ(plugin().start(call.get(), start_args())->state, VmState::running);
  EXPECT_EQ(host.commands().back(), "cont");
}

// A reset of a paused guest takes QEMU to "prelaunch", where a VM stands whose guest never ran.
TEST_F(QemuPlugin, AGuestThatWasResetWhileItWasPausedIsPaused) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  host.set_status("prelaunch");
  for (const auto& status : {plugin().inspect(call.get(), vm()), restarted().recover(call.get(), vm()),
                             plugin().start(call.get(), start_args())}) {
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->state, VmState::paused);
    EXPECT_EQ(status->can, (Words{"resume", "stop"}));
    EXPECT_EQ(status->status_reason, "");
  }
  EXPECT_EQ(host.count("kill"), 0);
  EXPECT_EQ(plugin().resume(call.get(), vm())->state, VmState::running);
}

TEST_F(QemuPlugin, ThatAGuestRanIsNotedByTheNextAgentWhereTheFirstOneDied) {
  start();
  forget_first_run(run_dir());
  ASSERT_EQ(restarted().recover(call.get(), vm())->state, VmState::running);
  host.set_status("prelaunch");
  EXPECT_EQ(plugin().recover(call.get(), vm())->state, VmState::paused);
}

// A plugin from before the note started and paused it.
TEST_F(QemuPlugin, ThatAGuestRanIsNotedByAResumeWhereItsStartDidNotNoteIt) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  forget_first_run(run_dir());
  ASSERT_EQ(restarted().recover(call.get(), vm())->state, VmState::paused);
  ASSERT_EQ(plugin().resume(call.get(), vm())->state, VmState::running);
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  host.set_status("prelaunch");  // after a reset
  const auto recovered = plugin().recover(call.get(), vm());
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->state, VmState::paused);
  EXPECT_EQ(host.count("kill"), 0);
}

TEST_F(QemuPlugin, ASecondVmWithTheSocketsOfOneThatRunsIsRefusedAndTheFirstRunsOn) {
  start();
  testing::ScriptedHost other_host;
  testing::TestCall other_call;
  Qemu other(other_host, create());
  StartArgs second = start_args();
  second.vm = "223e4567-e89b-42d3-a456-426614174000";
  const auto refused = other.start(other_call.get(), second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_EQ(refused.error().reason, "host-path-taken") << refused.error().message;
  EXPECT_NE(refused.error().message.find(second.vm), std::string::npos) << refused.error().message;
  EXPECT_EQ(other_host.count("spawn") + other_host.count("claim socket"), 0);
  EXPECT_EQ(other_call.kept, "null");
  const auto first = restarted().inspect(call.get(), vm());
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->state, VmState::running) << "and can be asked by a new connection";
}

TEST_F(QemuPlugin, AProgramThatIsReplacedUnderTheNodeIsSeenByTheNextVm) {
  const std::string binary = dir() + "/qemu";
  std::string version = "7.2";
  const auto install = [&](const std::string& what) {
    version = what;
    std::filesystem::remove(binary);
    std::ofstream(binary) << "QEMU " << what << std::string(what.size(), ' ');
    std::filesystem::permissions(binary, std::filesystem::perms::owner_all);
  };
  host.on_run = [&](const RunArgs& args) -> Result<RunResult> {
    RunResult out;
    out.exit.kind = ExitKind::exited;
    out.output = args.argv.at(1) == "--version" ? "QEMU emulator version " + version + ".0\n"
                                                : "q35   Standard PC (alias of pc-q35-" + version + ")\n";
    return out;
  };
  install("7.2");
  Qemu qemu(host, create(R"({"binary":")" + binary + R"(","accelerator":"tcg"})"));
  const auto machine = [&] {
    const auto resolved = qemu.resolve(call.get(), {start_args().spec});
    return resolved ? resolved->config.text : resolved.error().message;
  };
  EXPECT_NE(machine().find("pc-q35-7.2"), std::string::npos) << machine();
  install("10.0");
  EXPECT_EQ(host.count("notify "), 0);
  EXPECT_NE(machine().find("pc-q35-10.0"), std::string::npos) << machine();
  EXPECT_EQ(host.count("notify "), 1) << "the host asks what this one can do";
  EXPECT_EQ(qemu.describe(call.get())->vmm_version, "10.0.0");
  std::filesystem::remove(binary);
  EXPECT_FALSE(qemu.describe(call.get())->healthy);
  EXPECT_EQ(qemu.start(call.get(), start_args()).error().reason, "hypervisor-unavailable");
  install("7.2");
  EXPECT_TRUE(qemu.describe(call.get())->healthy) << "and again";
  EXPECT_EQ(host.count("notify "), 3);
}

TEST_F(QemuPlugin, AQemuThatDiesInItsStartIsQuotedAndLeavesNothing) {
  host.dies_at_once = true;
  const auto status = plugin().start(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::internal);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_NE(status.error().message.find("unsupported machine type"), std::string::npos) << status.error().message;
  EXPECT_TRUE(status.error().causes.empty()) << "how its end was noticed is no cause of it";
  EXPECT_NE(status.error().log_tail.find("unsupported machine type"), std::string::npos);
  EXPECT_TRUE(sockets_gone());
  EXPECT_EQ(host.count("release socket"), 2);
}

TEST_F(QemuPlugin, AQemuThatDiesInItsStartIsQuotedThoughItsEndIsRecordedLate) {
  host.dies_at_once = true;
  host.records_late = true;
  const auto status = plugin().start(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::internal);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_NE(status.error().message.find("unsupported machine type"), std::string::npos) << status.error().message;
}

TEST_F(QemuPlugin, AQemuThatHangsIsGivenUpAtTheDeadlineAndKilled) {
  host.hangs = true;
  plugin();
  call.on_keep = [this] { call.set_deadline_ms(50); };  // just before QEMU is spawned
  const auto status = plugin().start(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::deadline_exceeded);
  EXPECT_EQ(host.count("kill"), 1);
  EXPECT_TRUE(sockets_gone());
}

TEST_F(QemuPlugin, ACancelledStartIsUndone) {
  host.hangs = true;
  plugin();
  std::thread caller([&] {
    EXPECT_TRUE(host.wait_for("spawn"));
    call.cancel();
  });
  const auto status = plugin().start(call.get(), start_args());
  caller.join();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::cancelled);
  EXPECT_FALSE(host.find(nullptr, {})->alive);
  EXPECT_TRUE(sockets_gone());
}

TEST_F(QemuPlugin, ARefusedContIsAFailureThatLeavesNothing) {
  host.refuses = "cont";
  const auto status = plugin().start(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("not today"), std::string::npos);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_EQ(host.count("kill"), 1);
  EXPECT_TRUE(sockets_gone());
}

TEST_F(QemuPlugin, WhatCanNotBeKeptIsNotSpawned) {
  call.keep_fails = true;
  EXPECT_FALSE(plugin().start(call.get(), start_args()));
  EXPECT_EQ(host.count("spawn"), 0);
}

TEST_F(QemuPlugin, WithoutAQemuItLoadsAndSaysWhatToInstall) {
  Qemu without(host, create(R"({"binary":"/nonexistent/qemu","accelerator":"tcg"})"));
  const auto description = without.describe(call.get());
  ASSERT_TRUE(description);
  EXPECT_FALSE(description->healthy);
  EXPECT_NE(description->health_reason.find("/nonexistent/qemu"), std::string::npos);
  EXPECT_TRUE(std::find(description->features.begin(), description->features.end(), "pause") !=
              description->features.end());
  const auto status = without.start(call.get(), start_args());
  EXPECT_EQ(status.error().code, Code::failed_precondition);
  EXPECT_EQ(status.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(host.count("run"), 0);
}

TEST_F(QemuPlugin, KvmThatRunsNoGuestIsUnhealthyAndNeverTcg) {
  // On the test machine /dev/kvm may be absent, not permitted or useless: all three must give the same result.
  host.on_run = [](const RunArgs& args) -> Result<RunResult> {
    RunResult out;
    out.exit.kind = ExitKind::exited;
    if (args.until.empty()) return out;
    out.exit.code = 1;  // one that timed out would be repeated
    out.output = "KVM internal error. Suberror: 1";
    return out;
  };
  Qemu kvm(host, create(R"({"binary":"/bin/true","accelerator":"kvm","probe_kernel":"/images/bz"})"));
  const auto status = kvm.start(call.get(), start_args());  // waits for the trial
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::failed_precondition);
  EXPECT_EQ(status.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(host.count("spawn"), 0);
  const auto description = kvm.describe(call.get());
  EXPECT_FALSE(description->healthy);
  EXPECT_EQ(description->accelerator, "");
  EXPECT_NE(description->health_reason.find("demands KVM"), std::string::npos);
}

TEST_F(QemuPlugin, ResolveFreezesTheMachineAndRefusesWithPointers) {
  ResolveArgs args;
  args.spec.boot_vcpus = 2;
  const auto resolved = plugin().resolve(call.get(), args);
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->config.text, R"({"machine":"pc-q35-7.2","hotplug":true})");
  EXPECT_EQ(resolved->max_vcpus, 2);
  EXPECT_EQ(plugin().resolve(call.get(), {*resolved})->config.text, resolved->config.text);
  args.spec.kvm_hyperv = true;
  const auto refused = plugin().resolve(call.get(), args);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_EQ(refused.error().details.at(0).pointer, "/kvm_hyperv");
}

TEST_F(QemuPlugin, AMachineIsNotFrozenWithoutItsVersion) {
  host.on_run = [](const RunArgs&) -> Result<RunResult> { return RunResult{.timed_out = true}; };
  const auto refused = plugin().resolve(call.get(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_NE(refused.error().message.find("took more than 5 s"), std::string::npos) << refused.error().message;
  EXPECT_EQ(host.count("notify "), 0);
  ResolveArgs frozen;
  frozen.spec.config.text = R"({"machine":"pc-q35-7.2"})";
  EXPECT_TRUE(plugin().resolve(call.get(), frozen)) << "one that has its version";
  host.on_run = nullptr;
  const auto resolved = plugin().resolve(call.get(), {});
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->config.text, R"({"machine":"pc-q35-7.2","hotplug":true})");
  EXPECT_EQ(host.count("notify "), 1) << "it has a version to tell now";
  EXPECT_EQ(plugin().describe(call.get())->vmm_version, "7.2.22");
  const int asked = host.count("run");
  EXPECT_TRUE(plugin().resolve(call.get(), {}));
  EXPECT_EQ(host.count("run"), asked);
}

TEST_F(QemuPlugin, PauseResumeAndRebootTellTheTruth) {
  start();
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin().reboot(call.get(), vm())->state, VmState::paused) << "a reset resumes nothing";
  EXPECT_EQ(plugin().resume(call.get(), vm())->state, VmState::running);
  EXPECT_EQ(plugin().reboot(call.get(), vm())->state, VmState::running);
}

TEST_F(QemuPlugin, OneConversationServesAllCallsOfAVm) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  ASSERT_TRUE(plugin().resume(call.get(), vm()));
  ASSERT_TRUE(plugin().inspect(call.get(), vm()));
  EXPECT_EQ(host.commands(), (Words{"qmp_capabilities", "cont", "stop", "cont", "query-status"}));
}

TEST_F(QemuPlugin, WhatHasEndedCanNotBePaused) {
  start();
  host.end(ExitKind::signaled, 9);
  const auto status = plugin().pause(call.get(), vm());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::failed_precondition);
  EXPECT_NE(status.error().message.find("signal 9"), std::string::npos) << status.error().message;
  const auto seen = plugin().inspect(call.get(), vm());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->state, VmState::shutdown);
  EXPECT_EQ(seen->exit->signal, 9);
}

TEST_F(QemuPlugin, AForeignOrNewerHandleIsNotTouched) {
  start();
  auto args = vm();
  args.handle.text = R"({"format":1,"simulated":true})";
  EXPECT_EQ(plugin().inspect(call.get(), args).error().code, Code::not_found);
  EXPECT_EQ(plugin().recover(call.get(), args).error().code, Code::not_found);
  args.handle.text = R"({"format":99,"vmm":"qemu"})";
  EXPECT_EQ(plugin().inspect(call.get(), args).error().code, Code::failed_precondition);
  EXPECT_EQ(plugin().recover(call.get(), args).error().code, Code::failed_precondition);
  EXPECT_EQ(host.count("kill"), 0);
}

// ---- stop ----

TEST_F(QemuPlugin, TheButtonIsPressedAndTheGuestGoesByItself) {
  start();
  const auto status = plugin().stop(call.get(), stop_args(10'000));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::shutdown);
  EXPECT_EQ(status->status_reason, "the guest powered off");
  EXPECT_EQ(host.count("kill"), 0);
  EXPECT_TRUE(plugin().stop(call.get(), stop_args(10'000))) << "stopping what is stopped is success";
}

TEST_F(QemuPlugin, AGuestThatIgnoresTheButtonIsKilledAfterItsTime) {
  start();
  host.hears_the_button = false;
  const auto status = plugin().stop(call.get(), stop_args(30));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::shutdown);
  EXPECT_NE(status->status_reason.find("did not power off within 30 ms"), std::string::npos) << status->status_reason;
  EXPECT_EQ(host.count("kill"), 1);
}

TEST_F(QemuPlugin, ACallerWithLessTimeThanTheGuestLeavesItRunning) {
  start();
  host.hears_the_button = false;
  call.set_deadline_ms(30);
  const auto status = plugin().stop(call.get(), stop_args(60'000));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::deadline_exceeded);
  EXPECT_EQ(host.count("kill"), 0);
}

TEST_F(QemuPlugin, APausedGuestIsKilledAtOnce) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  const auto status = plugin().stop(call.get(), stop_args(60'000));
  ASSERT_TRUE(status);
  EXPECT_NE(status->status_reason.find("killed at once"), std::string::npos);
  const auto commands = host.commands();
  EXPECT_EQ(std::count(commands.begin(), commands.end(), "system_powerdown"), 0);
}

TEST_F(QemuPlugin, ForceNeedsNeitherMonitorNorHandle) {
  start();
  const auto before = host.commands();
  auto args = stop_args(60'000);
  args.mode = StopMode::force;
  args.vm.handle.text = "null";
  std::filesystem::remove(run_dir() + "/monitor.sock");
  EXPECT_EQ(plugin().stop(call.get(), args)->status_reason, "killed on request");
  EXPECT_EQ(host.commands(), before);
}

TEST_F(QemuPlugin, AGuestOfANewerVersionIsntKilledByAGracefulStop) {
  start();
  auto args = stop_args(1000);
  args.vm.handle.text = R"({"format":1000000,"vmm":"qemu"})";
  const auto stopped = plugin().stop(call.get(), args);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::failed_precondition);
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::running);
}

TEST_F(QemuPlugin, StoppingWhatWasNeverSpawnedIsSuccess) {
  EXPECT_EQ(plugin().stop(call.get(), stop_args(1000))->state, VmState::shutdown);
}

// ---- recover ----

TEST_F(QemuPlugin, ARunningVmIsAdoptedWithTheAcceleratorItWasStartedWith) {
  start();
  call.kept = R"({"format":1,"vmm":"qemu","accelerator":"kvm","evidence":"a trial guest ran"})";
  const auto status = plugin().recover(call.get(), vm());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  EXPECT_EQ(status->accelerator, "kvm");
  EXPECT_EQ(status->accelerator_evidence, "a trial guest ran");
}

TEST_F(QemuPlugin, ALostMonitorSocketCostsNoVmItsLife) {
  start();
  std::filesystem::remove(run_dir() + "/monitor.sock");
  const auto status = restarted().recover(call.get(), vm());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::unavailable);
  EXPECT_EQ(host.count("kill"), 0);
  EXPECT_TRUE(host.find(nullptr, {})->alive);
}

TEST_F(QemuPlugin, AStartThatWasBrokenOffIsUndone) {
  const auto undone = [&](const Result<VmStatus>& status) {
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->state, VmState::shutdown);
    EXPECT_NE(status->status_reason.find("interrupted"), std::string::npos);
    EXPECT_TRUE(sockets_gone());
  };
  start();
  never_ran();
  undone(plugin().recover(call.get(), vm()));  // between spawn and cont
  EXPECT_EQ(host.count("kill"), 1);
  start();
  call.kept = "null";
  undone(plugin().recover(call.get(), vm()));  // a handle that never reached the disk
  EXPECT_EQ(host.count("kill"), 2);
  call.kept = R"({"format":1,"vmm":"qemu"})";
  for (const Code code : {Code::not_found, Code::unavailable}) {  // between keep and the supervisor's record
    host.find_fails = make_error(code, "no process");
    undone(plugin().recover(call.get(), vm()));
  }
  host.find_fails = make_error(Code::data_loss, "its record is damaged");
  EXPECT_EQ(plugin().recover(call.get(), vm()).error().code, Code::data_loss);
  EXPECT_EQ(host.count("kill"), 4);
}

TEST_F(QemuPlugin, AnEndDuringTheAgentsAbsenceIsTold) {
  start();
  host.end(ExitKind::exited, 0);
  const auto status = plugin().recover(call.get(), vm());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->state, VmState::shutdown);
  EXPECT_EQ(status->status_reason, "the guest powered off");
}

}  // namespace
}  // namespace qarax::qemu
