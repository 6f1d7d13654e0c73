// The plugin's policy with fake_vmm in its VMM's place: what it does, and what is left when the VMM hangs, talks
// garbage, refuses, hangs up in the middle or dies, at each step.
#include <sched.h>

#include "testing/test_plugin.hpp"

namespace qarax::cloud_hypervisor {
namespace {

using testing::kPatienceMs;

class CloudHv : public testing::PluginTest {
 protected:
  Result<VmStatus> resize(std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) {
    return plugin().resize(call.get(), {vm(), vcpus, memory});
  }
  // One that can do nothing else, as the plugin's program.
  void program_that_says(const std::string& words) {
    binary = dir() + "/program";
    std::ofstream(binary) << "#!/bin/sh\necho '" << words << "'\n";
    std::filesystem::permissions(binary, std::filesystem::perms::owner_all);
    restart();
  }
};

TEST_F(CloudHv, FromStartToPowerButton) {
  start();
  ASSERT_NE(host.console("qarax uptime", kPatienceMs), "");
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused) << "pausing what is paused is success";
  EXPECT_EQ(plugin().resume(call.get(), vm())->state, VmState::running);
  EXPECT_EQ(plugin().reboot(call.get(), vm())->state, VmState::running);
  EXPECT_EQ(plugin().recover(call.get(), vm())->state, VmState::running);
  const auto stopped = plugin().stop(call.get(), {vm(), StopMode::graceful, kPatienceMs});
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->status_reason, "the guest powered off");
  EXPECT_EQ(inspect(), VmState::shutdown);
}

TEST_F(CloudHv, AVmOfANewerVersionIsForcedDownOrLeftAlone) {
  start();
  VmArgs newer = vm();
  newer.handle.text = R"({"format":1000000,"vmm":"cloud_hv"})";
  const auto refused = plugin().stop(call.get(), {newer, StopMode::graceful, 1000});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  const auto counters = plugin().counters(call.get(), newer);
  ASSERT_FALSE(counters);
  EXPECT_EQ(counters.error().code, Code::failed_precondition);
  EXPECT_EQ(inspect(), VmState::running);
  EXPECT_TRUE(plugin().stop(call.get(), {newer, StopMode::force, 0}));
}

TEST_F(CloudHv, AFreshVmmIsNotAskedForTheVmThatItCanNotHave) {
  host.more_env["FAKE_VMM_FAULTS"] = "vm.info=dies";
  start();
}

TEST_F(CloudHv, UnderLandlockAGuestReboots) {
  settings = R"(,"landlock":true)";
  start();
  const auto rebooted = plugin().reboot(call.get(), vm());
  ASSERT_TRUE(rebooted) << rebooted.error().message;
  EXPECT_EQ(rebooted->state, VmState::running);
}

TEST_F(CloudHv, AHostCpuThatCanNotBeRunOnIsRefusedBeforeAnythingIsSpawned) {
  auto args = start_args();
  args.spec.config.text = R"({"cpus":{"affinity":[{"vcpu":0,"host_cpus":[1023]}]}})";
  const auto refused = plugin().start(call.get(), args);
  ASSERT_FALSE(refused) << "vm.boot would wait for that vCPU without an end";
  EXPECT_EQ(refused.error().details.at(0).pointer, "/config/cpus/affinity");
  EXPECT_NE(refused.error().message.find("CPU 1023"), std::string::npos) << refused.error().message;
  EXPECT_EQ(host.count("spawn"), 0);
  cpu_set_t own;
  ASSERT_EQ(::sched_getaffinity(0, sizeof own, &own), 0);
  std::size_t cpu = 0;
  while (!CPU_ISSET(cpu, &own)) ++cpu;
  args.spec.config.text = R"({"cpus":{"affinity":[{"vcpu":0,"host_cpus":[)" + std::to_string(cpu) + "]}]}}";
  const auto started = plugin().start(call.get(), args);
  EXPECT_TRUE(started) << started.error().message;
}

TEST_F(CloudHv, WhatTheVmmHasNoDefaultForIsToldWhereItsSectionIsNamed) {
  vm_config = R"({"balloon":{"free_page_reporting":true},"console":{"iommu":true},"rtc":{}})";
  start();
}

TEST_F(CloudHv, ARebootThatFailsIsWhyTheVmHasEnded) {
  host.more_env["FAKE_VMM_FAULTS"] = "reboot=breaks";
  start();
  const auto rebooted = plugin().reboot(call.get(), vm());
  ASSERT_FALSE(rebooted);
  EXPECT_EQ(rebooted.error().code, Code::failed_precondition);
  EXPECT_NE(rebooted.error().message.find("Permission denied"), std::string::npos) << rebooted.error().message;
  const auto ended = plugin().inspect(call.get(), vm());
  EXPECT_EQ(ended->state, VmState::shutdown);
  EXPECT_NE(ended->status_reason.find("Permission denied"), std::string::npos) << ended->status_reason;
}

TEST_F(CloudHv, ResizeStaysWithinTheSpecAndTellsTheTruth) {
  start();
  const auto grown = resize(3, 256 << 20);
  ASSERT_TRUE(grown) << grown.error().message;
  EXPECT_NE(grown->live.text.find(R"("vcpus":3,"memory":268435456)"), std::string::npos) << grown->live.text;
  EXPECT_EQ(resize(5, std::nullopt).error().details.at(0).pointer, "/vcpus");
  EXPECT_EQ(resize(std::nullopt, 1LL << 40).error().details.at(0).pointer, "/memory");
  EXPECT_NE(resize(std::nullopt, (256 << 20) + 1).error().message.find("128 MiB"), std::string::npos);
  const auto shrunk = resize(std::nullopt, 128 << 20);
  ASSERT_FALSE(shrunk) << "ACPI takes no memory away, and Cloud Hypervisor wouldn't say so";
  EXPECT_NE(shrunk.error().message.find("VirtioMem"), std::string::npos) << shrunk.error().message;
}

TEST_F(CloudHv, MemoryByVirtioMemComesAndGoesAndIsAskedForTwiceInVain) {
  auto args = start_args();
  args.spec.config.text = R"({"memory":{"hotplug_method":"VirtioMem"}})";
  ASSERT_TRUE(plugin().start(call.get(), args));
  // The VMM refuses the size that it has.
  for (const std::int64_t memory : {128 << 20, 192 << 20, 192 << 20, 130 << 20, 128 << 20}) {
    const auto resized = resize(2, memory);
    ASSERT_TRUE(resized) << memory << ": " << resized.error().message;
    EXPECT_NE(resized->live.text.find(R"("vcpus":2,"memory":)" + std::to_string(memory)), std::string::npos)
        << resized->live.text;
  }
  const auto refused = resize(3, (129 << 20) + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().details.at(0).pointer, "/memory");
  EXPECT_NE(refused.error().message.find("2 MiB"), std::string::npos) << refused.error().message;
  EXPECT_NE(plugin().inspect(call.get(), vm())->live.text.find(R"("vcpus":2,)"), std::string::npos)
      << "half of it was done";
}

TEST_F(CloudHv, WhereTheMemoryIsRefusedTheVcpusStayAsTheyWere) {
  auto args = start_args();
  args.spec.memory_hotplug_size = 2LL << 30;
  ASSERT_TRUE(plugin().start(call.get(), args));
  constexpr std::int64_t kStep = 128LL << 20;
  constexpr int kSlots = 8;
  std::int64_t memory = args.spec.memory_size;
  for (int i = 0; i < kSlots; ++i) ASSERT_TRUE(resize(std::nullopt, memory += kStep)) << i;
  const auto refused = resize(2, memory + kStep);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "vmm-refused");
  EXPECT_NE(refused.error().message.find("No ACPI slot available"), std::string::npos) << refused.error().message;
  const std::string live = plugin().inspect(call.get(), vm())->live.text;
  EXPECT_NE(live.find(R"("vcpus":1,"memory":)" + std::to_string(memory)), std::string::npos) << live;
}

TEST_F(CloudHv, WhereOnlyTheVcpusAreRefusedTheErrorSaysSo) {
  host.more_env["FAKE_VMM_FAULTS"] = "vcpus=held";
  start();
  const auto refused = resize(2, 256 << 20);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().retryable);
  EXPECT_NE(refused.error().message.find("its memory has the new size, its vCPUs don't, and memory that was plugged by "
                                         "ACPI can't be taken back"),
            std::string::npos)
      << refused.error().message;
  const std::string live = plugin().inspect(call.get(), vm())->live.text;
  EXPECT_NE(live.find(R"("vcpus":1,"memory":268435456)"), std::string::npos) << live;
}

TEST_F(CloudHv, WhereOnlyTheVcpusAreRefusedVirtioMemHasItsOldSizeAgain) {
  host.more_env["FAKE_VMM_FAULTS"] = "vcpus=held";
  auto args = start_args();
  args.spec.config.text = R"({"memory":{"hotplug_method":"VirtioMem"}})";
  ASSERT_TRUE(plugin().start(call.get(), args));
  ASSERT_TRUE(resize(std::nullopt, 160 << 20));
  for (const std::int64_t memory : {192 << 20, 130 << 20}) {
    const auto refused = resize(2, memory);
    ASSERT_FALSE(refused) << memory;
    EXPECT_TRUE(refused.error().retryable);
    EXPECT_NE(refused.error().message.find("its memory has its old size again"), std::string::npos)
        << refused.error().message;
    const std::string live = plugin().inspect(call.get(), vm())->live.text;
    EXPECT_NE(live.find(R"("vcpus":1,"memory":167772160)"), std::string::npos) << live;
  }
}

TEST_F(CloudHv, WhatIsSoAlreadyIsNotAskedFor) {
  host.more_env["FAKE_VMM_FAULTS"] = "vm.resize=error";
  start();
  const auto same = resize(1, 128 << 20);
  EXPECT_TRUE(same) << same.error().message;
  EXPECT_FALSE(resize(2, 128 << 20));
}

TEST_F(CloudHv, VcpusThatTheGuestStillHoldsAreAskedForLater) {
  for (const char* version : {"44.0", "53.0"}) {
    host.more_env = {{"FAKE_VMM_FAULTS", "vcpus=held"}, {"FAKE_VMM_VERSION", version}};
    start();
    const auto refused = resize(2, std::nullopt);
    ASSERT_FALSE(refused) << version;
    EXPECT_EQ(refused.error().code, Code::unavailable) << version;
    EXPECT_TRUE(refused.error().retryable) << version;
    EXPECT_NE(refused.error().message.find("hasn't let go of vCPUs"), std::string::npos) << refused.error().message;
    ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  }
}

// ---- the program ----

TEST_F(CloudHv, AFakeNeedsNoKvmAndSaysThatItIsOne) {
  start();
  const auto said = plugin().describe(call.get());
  EXPECT_TRUE(said->healthy) << said->health_reason;
  EXPECT_EQ(said->accelerator_evidence.find("no guest, fake: "), 0u) << said->accelerator_evidence;
  EXPECT_EQ(plugin().inspect(call.get(), vm())->accelerator_evidence, said->accelerator_evidence);
}

TEST_F(CloudHv, OnlyAFakeIsTakenForOne) {
  for (const char* version : {"v53.0", "v53.0-dirty", "v53.0-fake-2"}) {
    program_that_says(std::string("cloud-hypervisor ") + version);
    const auto said = plugin().describe(call.get());
    EXPECT_FALSE(said->healthy) << version;
    EXPECT_NE(said->health_reason.find("trial: fake"), std::string::npos) << said->health_reason;
    const auto refused = plugin().start(call.get(), start_args());
    ASSERT_FALSE(refused) << version;
    EXPECT_EQ(refused.error().reason, "hypervisor-unavailable");
  }
}

TEST_F(CloudHv, ItsVersionIsItsFirstLine) {
  program_that_says("cloud-hypervisor v53.0\nMigration Protocol Versions: 0");
  const auto said = plugin().describe(call.get());
  EXPECT_NE(said->health_reason.find("is none: cloud-hypervisor v53.0"), std::string::npos) << said->health_reason;
  EXPECT_EQ(said->health_reason.find("Migration"), std::string::npos) << said->health_reason;
}

TEST_F(CloudHv, LandlockThatTheKernelLacksIsNamedForEveryVersion) {
  for (const char* version : {"v44.0", "v53.0"}) {
    program_that_says(std::string("cloud-hypervisor ") + version);
    Settings asked;
    asked.binary = binary;
    EXPECT_EQ(find_program(host, asked, 0).path, binary) << "nobody asked for landlock";
    asked.landlock = true;
    EXPECT_EQ(find_program(host, asked, kLandlockAbi).path, binary);
    for (const int abi : {0, kLandlockAbi - 1}) {
      const Program program = find_program(host, asked, abi);
      EXPECT_EQ(program.path, "") << version;
      EXPECT_NE(program.why_not.find(abi == 0 ? "has none" : "has 2"), std::string::npos) << program.why_not;
    }
  }
}

TEST_F(CloudHv, AProgramThatCanNotBeUsedIsNamedWithItsReason) {
  const auto is_refused = [&](const std::string& why) {
    const auto said = plugin().describe(call.get());
    EXPECT_FALSE(said->healthy);
    EXPECT_NE(said->health_reason.find(binary + why), std::string::npos) << said->health_reason;
    const auto refused = plugin().start(call.get(), start_args());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "hypervisor-unavailable");
    EXPECT_EQ(refused.error().message, said->health_reason);
    EXPECT_EQ(host.count("spawn"), 0);
  };
  program_that_says("cloud-hypervisor v43.9");
  is_refused(" is v43.9; this plugin needs v44.0 or newer");
  program_that_says("usage: something else");
  is_refused(" --version doesn't tell a version: usage: something else");
  std::filesystem::permissions(binary, std::filesystem::perms::owner_read);
  restart();
  is_refused(" can't be run: Permission denied; correct `binary`");
  std::filesystem::remove(binary);
  restart();
  is_refused(" can't be run: No such file or directory; correct `binary`");
}

// One that runs what it is told to, and no VMM.
class BusyHost final : public plugin::testing::FakeHost {
 public:
  Result<Process> spawn(const plugin::Call*, const SpawnArgs&, const std::vector<int>&) override { return nothing(); }
  Result<Process> find(const plugin::Call*, const ProcessArgs&) override { return nothing(); }
  Status kill(const plugin::Call*, const ProcessArgs&) override { return Ok{}; }
  Result<Process> wait(const plugin::Call*, const ProcessArgs&, std::int64_t) override { return nothing(); }

 private:
  static Error nothing() { return make_error(Code::not_found, "nothing was spawned"); }
};

TEST_F(CloudHv, AProgramThatDoesNotAnswerInTimeIsAskedAgain) {
  BusyHost busy;
  busy.on_run = [](const RunArgs&) -> Result<RunResult> {
    RunResult out;
    out.timed_out = true;
    return out;
  };
  CreateArgs create;
  create.config.text = R"({"binary":")" + binary + R"(","trial":"fake"})";
  constexpr int kHourMs = 3'600'000;
  CloudHypervisor asked(busy, create, kApiMs, kHourMs);
  auto unknown = asked.describe(call.get());
  for (; unknown->healthy; unknown = asked.describe(call.get())) {
    EXPECT_EQ(unknown->accelerator, "probing") << "the scheduler lets its VMs wait for that";
    EXPECT_NE(unknown->health_reason.find(binary + " was asked for its version, and it took more than 5 s"),
              std::string::npos)
        << unknown->health_reason;
    ASSERT_LT(busy.count("run"), 4) << "they don't wait for ever";
  }
  EXPECT_EQ(busy.count("run"), 4);
  EXPECT_NE(unknown->health_reason.find("it took more than 5 s; it is asked again"), std::string::npos)
      << unknown->health_reason;
  EXPECT_NE(unknown->accelerator, "probing");
  const auto refused = asked.start(call.get(), start_args());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().message, unknown->health_reason);
  EXPECT_EQ(busy.count("notify "), 0) << "the host would ask at once, and again";
  busy.on_run = [](const RunArgs&) -> Result<RunResult> {
    RunResult out;
    out.exit.kind = ExitKind::exited;
    out.output = "cloud-hypervisor v53.0-fake\n";
    return out;
  };
  const auto known = asked.describe(call.get());
  EXPECT_TRUE(known->healthy) << known->health_reason;
  EXPECT_EQ(known->vmm_version, "v53.0");
  EXPECT_EQ(busy.count("notify "), 1);
}

TEST_F(CloudHv, ASecondVmWithTheSocketsOfOneThatRunsIsRefusedAndTheFirstRunsOn) {
  start();
  plugin::testing::RealHost other_host;
  plugin::testing::TestCall other_call;
  CreateArgs create;
  create.config.text = R"({"binary":")" + binary + R"(","trial":"fake"})";
  CloudHypervisor other(other_host, create);
  StartArgs second = start_args();
  second.vm = "223e4567-e89b-42d3-a456-426614174000";
  const auto refused = other.start(other_call.get(), second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_EQ(refused.error().reason, "host-path-taken") << refused.error().message;
  EXPECT_NE(refused.error().message.find(second.vm), std::string::npos) << refused.error().message;
  EXPECT_EQ(other_host.count("spawn") + other_host.count("claim socket"), 0);
  EXPECT_EQ(other_call.kept, "null");
  EXPECT_EQ(inspect(), VmState::running);
  EXPECT_TRUE(plugin().pause(call.get(), vm())) << "and does as it is told";
}

TEST_F(CloudHv, AProgramThatIsReplacedUnderTheNodeIsSeenAtTheNextStart) {
  const auto install = [&](const char* version) {
    ASSERT_EQ(::setenv("FAKE_VMM_VERSION", version, 1), 0);  // for --version, which the host runs
    host.more_env["FAKE_VMM_VERSION"] = version;
    binary = dir() + "/program";
    std::filesystem::remove(binary);
    std::filesystem::copy_file(FAKE_VMM, binary);
  };
  install("44.0");
  restart();
  start();
  install("53.0");
  EXPECT_EQ(host.count("notify "), 0);
  const auto disk_for_old_one = plugin().attach_disk(call.get(), {vm(), disk()});
  plugin::testing::TestCall twice;
  twice.kept = call.kept;
  const auto started_already = plugin().start(twice.get(), start_args());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  const auto started = plugin().start(call.get(), start_args());
  EXPECT_EQ(host.count("notify "), 1) << "the host asks what this one can do";
  // What runs is what counts for a VM: this one was started by the older program, which guesses a disk's format.
  call.kept.replace(call.kept.find("v53.0"), 5, "v44.0");
  const auto disk_after_upgrade = plugin().attach_disk(call.get(), {vm(), disk()});
  ::unsetenv("FAKE_VMM_VERSION");
  EXPECT_EQ(disk_for_old_one.error().reason, "capability-missing");
  ASSERT_TRUE(started_already) << started_already.error().message;
  EXPECT_NE(started_already->live.text.find("v44.0"), std::string::npos) << started_already->live.text;
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_NE(started->live.text.find("v53.0"), std::string::npos) << started->live.text;
  ASSERT_FALSE(disk_after_upgrade);
  EXPECT_NE(disk_after_upgrade.error().message.find("v44.0"), std::string::npos) << disk_after_upgrade.error().message;
  EXPECT_EQ(plugin().describe(call.get())->vmm_version, "v53.0");
}

// ---- a guest that somebody else ends over the API: the real VMM stays, and looks as before its first boot ----

class EndedOverTheApi : public CloudHv, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    CloudHv::SetUp();
    if (IsSkipped()) return;
    start();
    ASSERT_NE(host.console("qarax uptime", kPatienceMs), "");
    const auto reply = plugin::UnixHttpClient(dir() + "/run", kApiSocket, "VMM")
                           .request(call.get(), "PUT", std::string("/api/v1/") + GetParam(), "", 5000);
    ASSERT_TRUE(reply && reply->status == 204);
  }
  void is_ended(const Result<VmStatus>& status) {
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(status->state, VmState::shutdown);
    EXPECT_NE(status->status_reason.find("its guest was ended through"), std::string::npos) << status->status_reason;
    EXPECT_FALSE(host.find(nullptr, {})->alive) << "its VMM stays";
  }
};
INSTANTIATE_TEST_SUITE_P(Calls, EndedOverTheApi, ::testing::Values("vm.shutdown", "vm.delete"));

TEST_P(EndedOverTheApi, IsShutdownAndItsVmmIsEnded) {
  is_ended(plugin().inspect(call.get(), vm()));
  is_ended(plugin().inspect(call.get(), vm()));
}

TEST_P(EndedOverTheApi, IsForgottenWithTheVm) {
  is_ended(plugin().inspect(call.get(), vm()));
  is_ended(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  const auto deleted = plugin().inspect(call.get(), vm());
  EXPECT_EQ(deleted->status_reason.find("its guest was ended through"), std::string::npos) << deleted->status_reason;
}

TEST_P(EndedOverTheApi, IsSeenByAnAgentThatStartsAgain) {
  restart();
  is_ended(plugin().recover(call.get(), vm()));
}

TEST_P(EndedOverTheApi, IsSeenWhereAnOlderPluginBootedIt) {
  // Its handle doesn't say that it was booted: recover() of a guest that runs writes it down.
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  start();
  auto handle = *read_handle(vm());
  handle.booted = false;
  call.kept = encode(handle);
  ASSERT_EQ(plugin().recover(call.get(), vm())->state, VmState::running);
  ASSERT_TRUE(plugin::UnixHttpClient(dir() + "/run", kApiSocket, "VMM")
                  .request(call.get(), "PUT", std::string("/api/v1/") + GetParam(), "", 5000));
  is_ended(plugin().inspect(call.get(), vm()));
}

TEST_P(EndedOverTheApi, IsSaidToWhoeverWantsToPauseOrStopIt) {
  const auto paused = plugin().pause(call.get(), vm());
  ASSERT_FALSE(paused);
  EXPECT_NE(paused.error().message.find("its guest was ended through"), std::string::npos) << paused.error().message;
  is_ended(plugin().stop(call.get(), {vm(), StopMode::graceful, kPatienceMs}));
}

TEST_P(EndedOverTheApi, TakesNoGuestsTimeToStop) {
  is_ended(plugin().stop(call.get(), {vm(), StopMode::graceful, kPatienceMs}));
}

TEST_F(CloudHv, AVmThatIsOnlyCreatedIsAStartThatIsUnderWay) {
  host.more_env["FAKE_VMM_FAULTS"] = "vm.boot=hangs";
  std::optional<Result<VmStatus>> seen;
  call.set_deadline_ms(kPatienceMs);
  std::thread starter([&] { static_cast<void>(plugin().start(call.get(), start_args())); });
  plugin::testing::TestCall other;
  ASSERT_TRUE(host.wait_for("spawn"));
  while (!seen || !*seen) seen = plugin().inspect(other.get(), vm());
  EXPECT_EQ((*seen)->state, VmState::paused);
  EXPECT_TRUE(host.find(nullptr, {})->alive) << "inspect ended it in the middle of its start";
  call.cancel();
  starter.join();
}

TEST_F(CloudHv, AVmmThatIsEndedOverItsApiIsGone) {
  start();
  const auto reply = plugin::UnixHttpClient(dir() + "/run", kApiSocket, "VMM")
                         .request(call.get(), "PUT", "/api/v1/vmm.shutdown", "", 5000);
  ASSERT_TRUE(reply && reply->status == 200);
  ASSERT_TRUE(host.wait(nullptr, {}, kPatienceMs));
  EXPECT_EQ(inspect(), VmState::shutdown);
}

TEST_F(CloudHv, AVmmThatFailsAndExitsWithCodeZeroIsNoPowerOff) {
  // The server takes exit code 0 for the guest's own wish, and wouldn't start it again.
  const std::pair<const char*, const char*> faults[] = {{"fails", "VCPU generated error: VcpuRun(EIO)"},
                                                        {"panics", "vCPU thread panicked"}};
  for (const auto& [fault, words] : faults) {
    host.more_env["FAKE_VMM_FAULTS"] = std::string("vm.pause=") + fault;
    start();
    EXPECT_FALSE(plugin().pause(call.get(), vm()));
    ASSERT_TRUE(host.wait(nullptr, {}, kPatienceMs));
    const auto ended = plugin().inspect(call.get(), vm());
    ASSERT_TRUE(ended && ended->exit) << fault;
    EXPECT_EQ(ended->state, VmState::shutdown);
    EXPECT_NE(ended->exit->code, 0) << fault;
    EXPECT_NE(ended->status_reason.find(words), std::string::npos) << ended->status_reason;
    EXPECT_EQ(ended->status_reason.find("more words"), std::string::npos) << ended->status_reason;
    const auto stopped = plugin().stop(call.get(), {vm(), StopMode::graceful, kPatienceMs});
    EXPECT_EQ(stopped->status_reason, ended->status_reason);
    host.more_env.clear();
  }
}

TEST_F(CloudHv, WhatACrashLeftInTheRunFolderIsNotInTheWay) {
  for (const char* name : {kApiSocket, kSerial}) ASSERT_TRUE(plugin::listen_unix(dir() + "/run", name));
  start();
  EXPECT_NE(host.console("qarax uptime", kPatienceMs), "");
}

TEST_F(CloudHv, ARunFoldersPathMayBeLongerThanASocketsAddress) {
  auto args = start_args();
  args.run_dir = dir() + "/" + std::string(120, 'r');
  std::filesystem::create_directory(args.run_dir);
  const auto started = plugin().start(call.get(), args);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_NE(host.console("qarax uptime", kPatienceMs), "");
  EXPECT_TRUE(plugin().stop(call.get(), {{args.vm, 1, args.run_dir, {call.kept}}, StopMode::force, 0}));
}

TEST_F(CloudHv, AKernelThatCanNotBeBootedIsTheVmmsWordAndLeavesNothing) {
  auto args = start_args();
  args.boot.kernel = dir() + "/no-kernel";
  const auto status = plugin().start(call.get(), args);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_NE(status.error().message.find("Cannot open kernel file"), std::string::npos) << status.error().message;
  EXPECT_TRUE(nothing_left());
}

// ---- what takes long ----

TEST_F(CloudHv, ABootMayTakeAsLongAsItsCall) {
  takes_long("vm.boot");
  const auto started = during_a_long("vm.boot", [&] { return plugin().start(call.get(), start_args()); });
  EXPECT_TRUE(started) << started.error().message;
}

TEST_F(CloudHv, ARebootMayTakeAsLongAsItsCall) {
  takes_long("vm.reboot");
  start();
  const auto rebooted = during_a_long("vm.reboot", [&] { return plugin().reboot(call.get(), vm()); });
  EXPECT_TRUE(rebooted) << rebooted.error().message;
}

TEST_F(CloudHv, MemoryMayTakeAsLongToComeAsItsCall) {
  takes_long("vm.resize");
  start();
  const auto grown = during_a_long("vm.resize", [&] { return resize(2, 256 << 20); });
  ASSERT_TRUE(grown) << grown.error().message;
  EXPECT_NE(grown->live.text.find(R"("vcpus":2,"memory":268435456)"), std::string::npos) << grown->live.text;
}

// ---- faults in a start ----

TEST_F(CloudHv, AStartThatFailsAtAnyStepLeavesNothing) {
  for (const char* step : {"vm.create", "vm.boot"})
    for (const char* fault : {"hangs", "garbage", "error", "cut", "dies"}) {
      host.more_env["FAKE_VMM_FAULTS"] = std::string(step) + "=" + fault;
      call.set_deadline_ms(std::string(fault) == "hangs" ? 300 : kPatienceMs);
      const auto status = plugin().start(call.get(), start_args());
      ASSERT_FALSE(status) << step << " " << fault;
      const Error& error = status.error();
      if (std::string(fault) == "hangs") {
        EXPECT_EQ(error.code, Code::deadline_exceeded) << step << ": " << error.message;
      } else {
        EXPECT_EQ(error.reason, "vmm-failed") << step << " " << fault << ": " << error.message;
      }
      if (std::string(fault) == "dies") {
        EXPECT_NE(error.message.find("exited with code 1"), std::string::npos) << error.message;
      }
      EXPECT_TRUE(nothing_left()) << step << " " << fault;
    }
}

TEST_F(CloudHv, AKernelThatCanNotBeBootedIsNamed) {
  for (const char* version : {"44.0", "53.0"}) {
    ASSERT_EQ(::setenv("FAKE_VMM_VERSION", version, 1), 0);  // for what the host runs
    host.more_env["FAKE_VMM_VERSION"] = version;
    restart();
    a_kernel_that_can_not_be_booted_is_named();
    const std::string evidence = evidence_with(dir() + "/gone");
    EXPECT_NE(evidence.find("the trial's kernel " + dir() + "/gone can't be loaded"), std::string::npos) << evidence;
    ::unsetenv("FAKE_VMM_VERSION");
  }
}

// ---- faults while it runs ----

TEST_F(CloudHv, NoFaultOfTheVmmTakesMoreThanTheCall) {
  using Act = std::function<bool(Error&)>;
  const auto of = [](auto result, Error& error) {
    if (!result) error = result.error();
    return static_cast<bool>(result);
  };
  const auto nothing = [] {};
  const auto paused = [&] { ASSERT_TRUE(plugin().pause(call.get(), vm())); };
  const auto with_disk = [&] { ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()})); };
  NicSpec nic;
  nic.id = "net0";
  nic.mac = "52:54:00:12:34:56";
  nic.fds = {0};
  struct Case {
    const char* step;
    std::function<void()> before;
    Act act;
  };
  const Case cases[] = {
      {"vm.pause", nothing, [&](Error& error) { return of(plugin().pause(call.get(), vm()), error); }},
      {"vm.resume", paused, [&](Error& error) { return of(plugin().resume(call.get(), vm()), error); }},
      {"vm.reboot", nothing, [&](Error& error) { return of(plugin().reboot(call.get(), vm()), error); }},
      {"vm.resize", nothing, [&](Error& error) { return of(resize(2, std::nullopt), error); }},
      {"vm.counters", nothing, [&](Error& error) { return of(plugin().counters(call.get(), vm()), error); }},
      {"vm.snapshot", nothing, [&](Error& error) { return of(plugin().snapshot(call.get(), {vm()}), error); }},
      {"vm.add-disk", nothing,
       [&](Error& error) {
         return of(plugin().attach_disk(call.get(), {vm(), disk()}), error);
       }},
      {"vm.resize-disk", with_disk,
       [&](Error& error) {
         return of(plugin().resize_disk(call.get(), {vm(), "data", 8192}), error);
       }},
      {"vm.remove-device", with_disk,
       [&](Error& error) {
         return of(plugin().detach_disk(call.get(), {vm(), "data"}), error);
       }},
      {"vm.add-net", nothing,
       [&](Error& error) {
         return of(plugin().attach_nic(call.get(), {vm(), nic}), error);
       }},
      // The guest would end by it, understood or not.
      {"vm.power-button", nothing,
       [&](Error& error) {
         return of(plugin().stop(call.get(), {vm(), StopMode::graceful, kPatienceMs}), error);
       }},
  };
  for (const auto& [step, before, act] : cases)
    for (const std::string fault : {"hangs", "garbage", "error", "cut", "dies"}) {
      SCOPED_TRACE(step + (" " + fault));
      call.kept = "null";
      call.set_deadline_ms(kPatienceMs);
      host.more_env["FAKE_VMM_FAULTS"] = step + ("=" + fault) + ",button=ignored";
      ASSERT_NO_FATAL_FAILURE(start());
      ASSERT_NO_FATAL_FAILURE(before());
      call.set_deadline_ms(fault == "hangs" ? 300 : kPatienceMs);
      Error error;
      const bool done = act(error);
      call.set_deadline_ms(kPatienceMs);
      if (fault == "hangs") {
        EXPECT_EQ(error.code, Code::deadline_exceeded) << error.message;
      } else if (fault == "error") {
        EXPECT_EQ(error.reason, "vmm-refused") << error.message;
      } else if (fault == "dies") {
        EXPECT_TRUE(error.code == Code::failed_precondition || error.code == Code::unavailable) << error.message;
      } else {
        // What was done but not understood may be found out: then it counts as done.
        EXPECT_TRUE(done || error.code == Code::internal || error.code == Code::unavailable) << error.message;
      }
      if (fault == "dies") {
        ASSERT_TRUE(host.wait(nullptr, {}, kPatienceMs)) << "it hangs up a little before its end";
      }
      const VmState seen = inspect();
      EXPECT_EQ(seen == VmState::shutdown, fault == "dies") << "a VMM that can't be understood still runs its guest";
      ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
    }
}

TEST_F(CloudHv, AVmmThatCanNotBeUnderstoodIsNeverCalledShutdown) {
  for (const char* fault : {"garbage", "cut"}) {
    start();
    host.more_env["FAKE_VMM_FAULTS"] = "";
    ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
    auto args = start_args();
    args.spec.config.text = std::string(R"({"platform":{"oem_strings":["fake:vm.info=)") + fault + R"("]}})";
    ASSERT_TRUE(plugin().start(call.get(), args));
    const auto status = plugin().inspect(call.get(), vm());
    ASSERT_FALSE(status) << fault;
    EXPECT_TRUE(host.find(nullptr, {})->alive);
    ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  }
}

// ---- disks and NICs ----

TEST_F(CloudHv, ADiskComesGrowsAndGoes) {
  start();
  const auto attached = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_NE(attached->live.text.find(R"("disks":["data"])"), std::string::npos) << attached->live.text;
  EXPECT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()})) << "it is there: success";
  EXPECT_EQ(plugin().attach_disk(call.get(), {vm(), disk(true)}).error().code, Code::already_exists);
  ASSERT_TRUE(plugin().resize_disk(call.get(), {vm(), "data", 8192}));
  EXPECT_EQ(std::filesystem::file_size(dir() + "/disk"), 8192u);
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "data", 4096}).error().code, Code::invalid_argument);
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "none", 8192}).error().code, Code::not_found);
  ASSERT_TRUE(plugin().detach_disk(call.get(), {vm(), "data"}));
  EXPECT_TRUE(read_handle(vm())->disks.empty());
  EXPECT_TRUE(plugin().detach_disk(call.get(), {vm(), "data"})) << "gone is success";
}

TEST_F(CloudHv, ADiskThatIsRefusedIsNotKept) {
  start();
  auto missing = disk();
  missing.path = dir() + "/none";
  EXPECT_EQ(plugin().attach_disk(call.get(), {vm(), missing}).error().code, Code::not_found);
  EXPECT_TRUE(read_handle(vm())->disks.empty());
}

TEST_F(CloudHv, AGuestThatHoldsOnKeepsItsDisk) {
  host.more_env["FAKE_VMM_FAULTS"] = "eject=never";
  start();
  ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk()}));
  call.set_deadline_ms(300);
  const auto held = plugin().detach_disk(call.get(), {vm(), "data"});
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, Code::deadline_exceeded);
  EXPECT_EQ(read_handle(vm())->disks.size(), 1u);
  call.set_deadline_ms(kPatienceMs);
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "data", 8192}).error().reason, "vmm-refused");
}

TEST_F(CloudHv, ANicBringsADescriptorForEachQueue) {
  start();
  NicSpec nic;
  nic.id = "net0";
  nic.mac = "52:54:00:12:34:56";
  nic.fds = {0};
  const auto attached = plugin().attach_nic(call.get(), {vm(), nic});
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_NE(attached->live.text.find(R"("nics":["net0"])"), std::string::npos);
  // Without one it would make a tap of its own, and say nothing.
  const auto said =
      plugin::UnixHttpClient(dir() + "/run", kApiSocket, "VMM").request(call.get(), "GET", "/api/v1/vm.info", "", 5000);
  EXPECT_NE(said->body.find(R"("fds":[-1])"), std::string::npos) << said->body;
  ASSERT_TRUE(plugin().detach_nic(call.get(), {vm(), "net0"}));
  nic.fds.clear();
  nic.tap = "tap7";
  EXPECT_TRUE(plugin().attach_nic(call.get(), {vm(), nic}));
}

TEST_F(CloudHv, WhatAVersionLacksIsAbsentAndRefusedByName) {
  ASSERT_EQ(::setenv("FAKE_VMM_VERSION", "44.0", 1), 0);  // for --version, which the host runs
  host.more_env["FAKE_VMM_VERSION"] = "44.0";
  restart();
  const auto description = plugin().describe(call.get());
  ::unsetenv("FAKE_VMM_VERSION");
  ASSERT_TRUE(description);
  EXPECT_EQ(description->vmm_version, "v44.0");
  EXPECT_EQ(std::count(description->features.begin(), description->features.end(), "disks"), 0);
  start();
  const auto refused = plugin().attach_disk(call.get(), {vm(), disk()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unimplemented);
  EXPECT_EQ(refused.error().reason, "capability-missing");
  EXPECT_NE(refused.error().message.find("v44.0"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace qarax::cloud_hypervisor
