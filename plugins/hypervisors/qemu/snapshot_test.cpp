// Snapshots against a scripted QEMU: the guest continues whatever happens, and a folder holds a complete snapshot or
// none.
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "snapshot_files.hpp"
#include "test_plugin.hpp"

namespace qarax::qemu {
namespace {

using testing::Words;

class Snapshots : public testing::PluginTest {
 protected:
  Snapshots() {
    std::filesystem::create_directories(folder());
    at_ = Socket(::open(folder().c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    call.set_fds({at_.get()});
    host.on_command = [this](const std::string& command, const json::Value&) -> std::optional<std::string> {
      if (command == "migrate_cancel") stream = ends ? "cancelled" : "cancelling";
      if (command != "query-migrate") return std::nullopt;
      when_asked();
      return R"({"status":")" + stream + R"(","ram":)" + ram + R"(,"error-desc":"No space left"})";
    };
  }
  // on_command uses members of this fixture, which go before the host.
  ~Snapshots() override { host.end_and_wait(); }
  // A poll without an answer takes no longer than this.
  static constexpr int kPollMs = 20;
  std::ptrdiff_t said(const std::string& command, std::size_t from = 0) const {
    const auto words = said_since(from);
    return std::count(words.begin(), words.end(), command);
  }
  // Ends QEMU once `call_it` has asked it `command`.
  template <class CallIt>
  Result<VmStatus> end_when_asked(const std::string& command, const std::string& log_tail, CallIt call_it) {
    const std::size_t from = host.commands().size();
    std::atomic<bool> is_over = false;
    std::thread killer([&] {
      while (said(command, from) == 0 && !is_over) std::this_thread::yield();
      host.end(ExitKind::exited, 1, log_tail);
    });
    auto status = call_it();
    is_over = true;
    killer.join();
    return status;
  }
  // QEMU refuses cont, and whoever has no time beyond a cancel doesn't try it again.
  void refuse_to_go_on() {
    host.refuses = "cont";
    host.on_command = [this, before = host.on_command](const std::string& command, const json::Value& arguments) {
      if (command == "cont") call.cancel();
      return before(command, arguments);
    };
  }
  std::string folder() const { return dir() + "/snapshot"; }
  int at() const { return at_.get(); }
  Result<VmStatus> snapshot() { return plugin().snapshot(call.get(), {vm()}); }
  bool empty() const { return std::filesystem::is_empty(folder()); }
  std::string stream = "completed";
  std::string ram = "null";
  bool ends = true;                          // the stream ends when it is cancelled
  std::function<void()> when_asked = [] {};  // called on each query of the stream's progress, on QEMU's thread
  bool is_asked_ = false;

 private:
  Socket at_;
};

TEST_F(Snapshots, TheGuestStandsStillWhileItIsWrittenAndGoesOn) {
  start();
  const auto status = snapshot();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  const auto words = host.commands();
  const auto stop = std::find(words.begin(), words.end(), "stop");
  const auto migrate = std::find(stop, words.end(), "migrate");
  ASSERT_NE(migrate, words.end());
  EXPECT_NE(std::find(migrate, words.end(), "cont"), words.end());
  EXPECT_TRUE(std::filesystem::exists(folder() + "/memory"));
  const auto machine = read_machine(at());
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->vcpus, 1);
  EXPECT_EQ(machine->accelerator, "tcg");
  EXPECT_EQ(machine->spec.memory_size, 128 << 20);
}

TEST_F(Snapshots, APausedGuestStaysPaused) {
  start();
  ASSERT_TRUE(plugin().pause(call.get(), vm()));
  const auto status = snapshot();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::paused);
  EXPECT_EQ(host.commands().back(), "query-status");
  host.set_status("postmigrate");
  const auto again = snapshot();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::failed_precondition);
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::paused);
}

TEST_F(Snapshots, OneThatFailsLeavesNothingAndTheGuestRunning) {
  start();
  stream = "failed";
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos) << status.error().message;
  EXPECT_TRUE(empty());
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, OneThatIsCancelledLeavesNothingAndTheGuestRunning) {
  start();
  stream = "active";
  when_asked = [this] { call.cancel(); };
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::cancelled);
  EXPECT_TRUE(empty());
  const auto words = host.commands();
  const auto cancel = std::find(words.begin(), words.end(), "migrate_cancel");
  ASSERT_NE(cancel, words.end());
  EXPECT_NE(std::find(cancel, words.end(), "cont"), words.end());
}

TEST_F(Snapshots, OneIsWaitedForWhileTheMonitorIsSilent) {
  plugin(kUndoMs, kPollMs);
  start();
  host.ignore("query-migrate", 3);
  const auto status = snapshot();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  EXPECT_EQ(said("migrate_cancel"), 0);
  EXPECT_GT(said("query-migrate"), 3);
}

TEST_F(Snapshots, OneWhoseQemuEndsInSilenceIsGivenUpAtOnce) {
  start();
  host.ignore("query-migrate");
  const auto status = end_when_asked("query-migrate", "", [this] { return snapshot(); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::failed_precondition);
  EXPECT_NE(status.error().message.find("has ended"), std::string::npos) << status.error().message;
  EXPECT_TRUE(empty());
}

TEST_F(Snapshots, AStreamThatCanNotBeAskedAboutIsCancelledToo) {
  start();
  stream = "active";
  host.refuses = "query-migrate";
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("query-migrate"), std::string::npos) << status.error().message;
  EXPECT_EQ(stream, "cancelled") << "its end would stop the guest that is resumed now";
  EXPECT_TRUE(empty());
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, AGuestThatDoesNotGoOnIsToldAndLeavesNoSnapshot) {
  plugin(kUndoMs, kQmpMs, 0);
  start();
  refuse_to_go_on();
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("didn't go on"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("not today"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("QEMU didn't resume the guest within "), std::string::npos);
  EXPECT_TRUE(empty());
}

TEST_F(Snapshots, AGuestThatDoesNotGoOnAfterAFailureIsToldToo) {
  plugin(kUndoMs, kQmpMs, 0);
  start();
  stream = "failed";
  refuse_to_go_on();
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("QEMU didn't resume the guest within "), std::string::npos);
}

TEST_F(Snapshots, AGuestIsResumedHoweverLongTheMonitorIsSilent) {
  plugin(1, kPollMs);  // the call has more time than what its clean-up has at least
  start();
  stream = "failed";
  host.ignore("cont", 5);
  call.set_deadline_ms(60'000);
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos) << status.error().message;
  EXPECT_EQ(plugin().inspect(call.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, AGuestIsResumedAlthoughItsCallWasCancelled) {
  plugin(1, kPollMs);
  start();
  stream = "active";
  when_asked = [this] { call.cancel(); };
  host.ignore("cont", 5);
  call.set_deadline_ms(60'000);
  EXPECT_EQ(snapshot().error().code, Code::cancelled);
  testing::TestCall next;
  EXPECT_EQ(plugin().inspect(next.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, ACancelledOneIsntHeldUpUntilItsDeadlineByASilentMonitor) {
  plugin(kUndoMs, kPollMs, 100);
  start();
  stream = "active";
  when_asked = [this] {  // runs on QEMU's thread
    host.hangs = true;
    call.cancel();
  };
  call.set_deadline_ms(60'000);
  const auto status = snapshot();
  EXPECT_FALSE(call.get().expired()) << "what cancelled it waits for it";
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::cancelled);
  EXPECT_NE(status.error().message.find("didn't go on"), std::string::npos) << status.error().message;
  EXPECT_TRUE(empty());
}

TEST_F(Snapshots, AGuestWhoseStopWasNotAnsweredGoesOn) {
  start();
  host.delay("stop");
  call.set_deadline_ms(200);
  EXPECT_EQ(snapshot().error().code, Code::deadline_exceeded);
  host.delay("");
  EXPECT_EQ(said("migrate"), 0);
  testing::TestCall next;
  EXPECT_EQ(plugin().inspect(next.get(), vm())->state, VmState::running);
}

TEST_F(Snapshots, AGuestThatPanicsWhenItGoesOnIsNotWaitedFor) {
  start();
  host.on_command = [before = host.on_command, is_written = false](
                        const std::string& command,
                        const json::Value& arguments) mutable -> std::optional<std::string> {
    is_written = is_written || command == "query-migrate";
    if (is_written && command == "query-status") return R"({"status":"guest-panicked"})";
    return before(command, arguments);
  };
  const auto status = snapshot();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->status_reason, "the guest panicked");
}

TEST_F(Snapshots, AStreamThatDoesNotEndIsNotTakenForDropped) {
  start();
  host.set_status("paused");
  ends = false;
  stream = "active";
  const auto recovered = restarted(kQmpMs, 60).recover(call.get(), vm());
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().code, Code::deadline_exceeded);
}

TEST_F(Snapshots, WhatWasBeingWrittenWhenTheAgentEndedIsDropped) {
  start();
  host.set_status("paused");
  stream = "active";
  EXPECT_EQ(restarted().recover(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(stream, "cancelled") << "its end would stop the guest that is resumed now";
  stream = "completed";
  const std::size_t from = host.commands().size();
  EXPECT_EQ(restarted().recover(call.get(), vm())->state, VmState::paused);
  const auto words = said_since(from);
  EXPECT_EQ(std::count(words.begin(), words.end(), "migrate_cancel"), 0);
}

TEST_F(Snapshots, WhatWasBeingWrittenIsDroppedThoughTheMonitorIsSilentForAWhile) {
  start();
  host.set_status("paused");
  stream = "active";
  host.ignore("query-migrate", 3);
  const auto recovered = restarted(kPollMs).recover(call.get(), vm());
  ASSERT_TRUE(recovered) << recovered.error().message;
  EXPECT_EQ(recovered->state, VmState::paused);
  EXPECT_EQ(stream, "cancelled");
}

TEST_F(Snapshots, AWritableDiskIsNamedAndNothingIsTouched) {
  start();
  Handle handle = *read_handle(vm());
  handle.disks.push_back({.id = "database", .path = "/v", .format = DiskFormat::raw});
  call.kept = encode(handle);
  const auto before = host.commands();
  const auto status = snapshot();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::failed_precondition);
  EXPECT_NE(status.error().message.find("the writable disk database"), std::string::npos) << status.error().message;
  EXPECT_EQ(host.commands(), before);
}

TEST_F(Snapshots, ARestoreFeedsTheMemoryBeforeTheGuestRuns) {
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  const std::size_t from = host.commands().size();
  const auto status = plugin().restore(call.get(), start_args());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  EXPECT_EQ(said_since(from), (Words{"qmp_capabilities", "migrate-incoming", "query-status", "cont", "query-status"}));
  const auto& argv = host.spawned.argv;
  EXPECT_EQ(argv.at(argv.size() - 2), "-incoming");
  EXPECT_EQ(host.spawned.fd_targets.back(), kStateFd);
}

TEST_F(Snapshots, HowMuchIsWrittenAndReadIsTold) {
  start();
  stream = "active";
  ram = R"({"total":400,"remaining":300,"transferred":17})";
  when_asked = [this] {
    if (std::exchange(is_asked_, true)) {
      stream = "completed";
      ram = R"({"total":400,"remaining":0})";
    }
  };
  call.progress.clear();
  ASSERT_TRUE(snapshot());
  EXPECT_EQ(call.progress, (Words{"memory 0/0", "memory 100/400", "memory 400/400", "written 1/1"}));
  std::ofstream(folder() + "/memory") << "12345";
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  call.progress.clear();
  ASSERT_TRUE(plugin().restore(call.get(), start_args()));
  EXPECT_EQ(call.progress, (Words{"spawn 0/0", "monitor 0/0", "memory 0/5", "running 1/1"}))
      << "the scripted QEMU reads nothing";
}

TEST_F(Snapshots, ARestoreThatQemuRefusesIsUndone) {
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  host.refuses = "migrate-incoming";
  const auto status = plugin().restore(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_FALSE(host.find(nullptr, {})->alive);
  EXPECT_TRUE(sockets_gone());
}

TEST_F(Snapshots, ARestoreIsWaitedForWhileTheMonitorIsSilent) {
  plugin(kUndoMs, kPollMs);
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  const std::size_t from = host.commands().size();
  host.ignore("query-status", 3);
  const auto status = plugin().restore(call.get(), start_args());
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->state, VmState::running);
  EXPECT_EQ(said("migrate-incoming", from), 1);
  EXPECT_GT(said("query-status", from), 3);
}

TEST_F(Snapshots, ASilentRestoreEndsAtTheCallsDeadlineAndIsUndone) {
  plugin(kUndoMs, kPollMs);
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  host.ignore("query-status");
  call.set_deadline_ms(200);
  const auto status = plugin().restore(call.get(), start_args());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::deadline_exceeded);
  EXPECT_FALSE(host.find(nullptr, {})->alive);
  EXPECT_TRUE(sockets_gone());
}

TEST_F(Snapshots, ARestoreWhoseQemuEndsInSilenceIsGivenUpAtOnce) {
  start();
  ASSERT_TRUE(snapshot());
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::force, 0}));
  host.ignore("query-status");
  const auto status = end_when_asked("query-status", "load of migration failed",
                                     [this] { return plugin().restore(call.get(), start_args()); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "vmm-failed");
  EXPECT_NE(status.error().message.find("load of migration failed"), std::string::npos) << status.error().message;
  EXPECT_TRUE(sockets_gone());
}

TEST_F(Snapshots, ABrokenOffRestoreIsUndoneByRecoverAndReplacedByAStart) {
  start();
  host.set_status("inmigrate");
  EXPECT_EQ(plugin().start(call.get(), start_args())->state, VmState::running);
  EXPECT_EQ(host.count("kill"), 1);
  EXPECT_EQ(host.count("spawn"), 2);
  host.set_status("inmigrate");
  EXPECT_EQ(plugin().recover(call.get(), vm())->state, VmState::shutdown);
}

TEST_F(Snapshots, WhatIsNoWholeSnapshotOfThisMachineIsRefused) {
  const auto why = [&] {
    const auto refused = plugin().restore(call.get(), start_args());
    return refused ? std::string() : refused.error().message;
  };
  EXPECT_NE(why().find("no whole snapshot"), std::string::npos) << why();
  Machine machine{1, "qemu", "7.2", "tcg", "pc-q35-7.2", start_args().spec, 1, {}};
  const auto keep = [&] {
    auto memory = begin_snapshot(at());
    ASSERT_TRUE(memory && finish_snapshot(at(), *memory, machine));
  };
  machine.spec.boot_vcpus = machine.vcpus = 2;
  keep();
  EXPECT_NE(why().find("boot_vcpus"), std::string::npos) << why();
  machine.spec = start_args().spec;
  machine.spec.memory_size /= 2;
  keep();
  EXPECT_NE(why().find("memory_size"), std::string::npos) << why();
  machine.spec = start_args().spec;
  machine.accelerator = "kvm";
  keep();
  EXPECT_NE(why().find("under kvm"), std::string::npos) << why();
  machine.format = 2;
  keep();
  EXPECT_NE(why().find("newer"), std::string::npos) << why();
  machine.vmm = "other";
  keep();
  EXPECT_NE(why().find("of other"), std::string::npos) << why();
  EXPECT_EQ(host.count("spawn"), 0);
}

}  // namespace
}  // namespace qarax::qemu
