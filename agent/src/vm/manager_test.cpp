// The manager's rules, with a driver that is a record: order, revisions, tombstones, hung calls, recovery from disk.
#include "manager.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "qarax/core/ids.hpp"
#include "snapshot_folder.hpp"

namespace qarax::agent {
namespace {

using core::Action;

constexpr int kThreads = 8;

class FakeDriver final : public Driver, public Drivers, public BootFilesProvider {
 public:
  std::string version() const override { return "1"; }
  // Freezes what isn't said, as a machine type would be.
  Result<VmSpec> resolve(const DriverCall&, const ResolveArgs& args) override {
    VmSpec out = args.spec;
    if (!out.memory_hugepage_size) out.memory_hugepage_size = frozen_as.load();
    return out;
  }
  Result<VmStatus> start(const DriverCall& call, const StartArgs&) override {
    // As it was told before anybody could see the start, and tell it something else.
    const bool deaf = deaf_start;
    const bool hangs = hang_start;
    ++starts;
    QARAX_CHECK(call.keep("{\"format\":1}"));
    if (deaf) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [&] { return !deaf_start; });
      return make_error(Code::internal, "too late");
    }
    if (hangs) {
      pollfd cancel{call.cancel_fd, POLLIN, 0};
      ::poll(&cancel, 1, 30'000);
      return make_error(Code::cancelled, "cancelled");
    }
    if (fail_start) return make_error(Code::internal, "no luck");
    return state(VmState::running);
  }
  Result<VmStatus> stop(const DriverCall&, const StopArgs&) override { return state(VmState::shutdown); }
  Result<VmStatus> inspect(const DriverCall&, const VmArgs&) override { return state(inspected.load()); }
  Result<VmStatus> recover(const DriverCall&, const VmArgs&) override { return state(recovered.load()); }
  Result<VmStatus> pause(const DriverCall&, const VmArgs&) override {
    if (fail_pause) return make_error(Code::internal, "no luck");
    return state(VmState::paused);
  }
  void release() {
    {
      const std::lock_guard lock(mutex_);
      deaf_start = false;
    }
    released_.notify_all();
  }
  Result<VmStatus> resume(const DriverCall&, const VmArgs&) override {
    ++resumes;
    return state(VmState::running);
  }
  Result<VmStatus> reboot(const DriverCall&, const VmArgs&) override { return state(VmState::running); }
  Result<VmStatus> resize(const DriverCall&, const ResizeArgs& args) override {
    if (args.vcpus) vcpus = *args.vcpus;
    VmStatus status = state(VmState::running);
    status.live.text = R"({"vcpus":)" + std::to_string(vcpus) + "}";
    return status;
  }
  Result<VmStatus> snapshot(const DriverCall& call, const SnapshotArgs&) override {
    std::ofstream(in_folder(call)) << "memory";
    if (fail_snapshot) return make_error(full_disk ? Code::resource_exhausted : Code::internal, "no luck");
    return state(snapshot_leaves.load());
  }
  Result<VmStatus> restore(const DriverCall& call, const StartArgs& args) override {
    QARAX_CHECK(call.keep("{\"format\":1}"));
    QARAX_TRY(restored, core::read_file(in_folder(call)));
    vcpus = args.spec.boot_vcpus;
    return state(VmState::running);
  }
  Result<Counters> counters(const DriverCall&, const VmArgs&) override { return Counters{{{"exits", 7, "count"}}}; }

  Result<Driver*> find(const std::string& name) override {
    if (name == "fake") return this;
    return make_error(Code::unavailable, "there is no hypervisor " + name);
  }
  Result<BootFiles> files_for(const std::optional<std::string>&) override { return BootFiles{}; }

  std::atomic<std::int64_t> frozen_as{4096};
  std::atomic<int> starts{0};
  std::atomic<bool> hang_start{false};
  std::atomic<bool> fail_start{false};
  std::atomic<bool> deaf_start{false};  // hangs, whatever is cancelled, until release()
  std::atomic<bool> fail_pause{false};
  std::atomic<bool> fail_snapshot{false};
  std::atomic<bool> full_disk{false};
  std::atomic<VmState> snapshot_leaves{VmState::running};
  std::atomic<int> resumes{0};
  std::atomic<int> vcpus{1};
  std::string restored;  // what the last restore found
  std::atomic<VmState> recovered{VmState::running};
  std::atomic<VmState> inspected{VmState::shutdown};

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  static std::string in_folder(const DriverCall& call) {
    return "/proc/self/fd/" + std::to_string(call.fds.at(0)) + "/memory";
  }
  static VmStatus state(VmState value) {
    VmStatus status;
    status.state = value;
    return status;
  }
};

class ManagerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-manager-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    processes_ = std::make_unique<ProcessService>(ProcessService::Options{"/nonexistent", dir_ + "/vms"},
                                                  Cgroups::none(), [](const std::string&, std::int64_t) {});
    open();
  }
  void TearDown() override {
    driver_.release();
    manager_.reset();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    manager_.reset();
    Manager::Options options;
    options.data_dir = dir_;
    options.session = session_ = core::new_uuid();
    options.grace_ms = 50;
    options.look_ms = 0;
    options.most_threads = kThreads;
    auto opened = Manager::open(options, driver_, *processes_, driver_, clock_);
    ASSERT_TRUE(opened) << opened.error().message;
    manager_ = std::move(*opened);
    manager_->begin_recovery();
  }
  Command command(Action action, std::int64_t revision) const {
    Command out;
    out.vm = vm_;
    out.action = action;
    out.revision = revision;
    out.step = 1;
    out.incarnation = revision;
    if (action == Action::start) out.document = R"({"name":"web","hypervisor":"fake","spec":{}})";
    return out;
  }
  std::future<CommandResult> begin(Command what) {
    auto promise = std::make_shared<std::promise<CommandResult>>();
    auto future = promise->get_future();
    manager_->execute(std::move(what), [promise](CommandResult result) { promise->set_value(std::move(result)); });
    return future;
  }
  CommandResult start(std::int64_t revision, const std::string& document) {
    Command what = command(Action::start, revision);
    what.document = document;
    return run(what);
  }
  CommandResult run(Command what) { return begin(std::move(what)).get(); }
  Command resize(std::int64_t revision, int vcpus) const {
    Command out = command(Action::resize, revision);
    out.document = encode(core::ResizeCommand{vcpus, std::nullopt});
    return out;
  }
  Command snapshot(std::int64_t revision, Action action = Action::snapshot) const {
    Command out = command(action, revision);
    out.document = encode(core::SnapshotCommand{snapshot_, "before"});
    return out;
  }
  Command restore(std::int64_t revision) const {
    Command out = command(Action::restore, revision);
    core::RestoreCommand document;
    document.start.name = "web";
    document.start.hypervisor = "fake";
    document.snapshot = snapshot_;
    out.document = encode(document);
    return out;
  }
  // As kill -9 leaves it: the intent, and nothing after it.
  void interrupt(const Command& what, VmState before) {
    manager_.reset();
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    JournalRecord intent;
    intent.kind = RecordKind::intent;
    intent.revision = what.revision;
    intent.step = what.step;
    intent.action = core::to_string(what.action);
    intent.incarnation = what.incarnation;
    intent.document.text = what.document;
    intent.before = before;
    ASSERT_TRUE(journal->append(intent, Outlives::agent));
  }
  std::string snapshots() const { return dir_ + "/vms/" + vm_ + "/snapshots"; }
  // Recovery runs in the background; its end is a report that is no longer "recovering".
  core::VmReport settled() {
    std::promise<void> done;
    std::atomic<bool> told{false};
    std::uint64_t id = 0;
    auto check = [&](const core::VmReport& r) {
      if (r.vm == vm_ && r.status.status_reason.find("recovering") == std::string::npos && !told.exchange(true))
        done.set_value();
    };
    for (const auto& report : manager_->subscribe(check, id)) check(report);
    done.get_future().wait();
    manager_->unsubscribe(id);
    return manager_->inspect(vm_, 0);
  }

  std::string dir_;
  std::string session_;
  std::string vm_ = core::new_uuid();
  const std::string snapshot_ = core::new_uuid();
  FakeDriver driver_;
  core::SystemClock clock_;
  std::unique_ptr<ProcessService> processes_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(ManagerTest, AChangedMachineKeepsWhatIsFrozenAndFreezesWhatIsNew) {
  const auto first = start(1, R"({"name":"web","hypervisor":"fake","spec":{}})");
  ASSERT_EQ(first.error.code, Code::ok) << first.error.message;
  EXPECT_EQ(first.report.resolved->memory_hugepage_size, 4096);
  run(command(Action::force_stop, 2));
  driver_.frozen_as = 8192;  // the node's new default
  const auto same = start(3, R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{"memory_hugepage_size":4096,)"
                             R"("boot_vcpus":2},"resolve":true})");
  EXPECT_EQ(same.report.resolved->memory_hugepage_size, 4096);
  EXPECT_EQ(same.report.resolved->boot_vcpus, 2);
  run(command(Action::force_stop, 4));
  const auto fresh = start(5, R"({"name":"web","hypervisor":"fake","spec":{},"resolved":{},"resolve":true})");
  EXPECT_EQ(fresh.report.resolved->memory_hugepage_size, 8192);
}

TEST_F(ManagerTest, ARepeatedStepGetsItsStoredResultAndRunsOnce) {
  EXPECT_EQ(run(command(Action::start, 1)).error.code, Code::ok);
  const auto again = run(command(Action::start, 1));
  EXPECT_EQ(again.error.code, Code::ok);
  EXPECT_EQ(again.report.status.state, VmState::running);
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(ManagerTest, ALatePauseAfterAResumeIsRefused) {
  run(command(Action::start, 1));
  EXPECT_EQ(run(command(Action::pause, 2)).error.code, Code::ok);
  EXPECT_EQ(run(command(Action::resume, 3)).error.code, Code::ok);
  const auto late = run(command(Action::pause, 2));
  EXPECT_EQ(late.error.reason, "stale-revision");
  EXPECT_EQ(late.report.status.state, VmState::running);
}

TEST_F(ManagerTest, ALateStartOfADeletedVmIsRefusedAlsoAfterARestart) {
  run(command(Action::start, 1));
  EXPECT_TRUE(run(command(Action::remove, 3)).report.deleted);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  EXPECT_EQ(run(command(Action::start, 2)).error.reason, "stale-revision");
  open();
  EXPECT_EQ(run(command(Action::start, 2)).error.reason, "stale-revision");
  const auto again = run(command(Action::remove, 3));
  EXPECT_EQ(again.error.code, Code::ok);
  EXPECT_TRUE(again.report.deleted);
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(ManagerTest, AFailedStartSaysWhyAndCanBeTriedAgain) {
  driver_.fail_start = true;
  const auto failed = run(command(Action::start, 1));
  EXPECT_EQ(failed.error.code, Code::internal);
  EXPECT_EQ(failed.report.status.state, VmState::shutdown);
  driver_.fail_start = false;
  EXPECT_EQ(run(command(Action::start, 2)).error.code, Code::ok);
}

TEST_F(ManagerTest, ACancelNamesTheRevisionAndReachesWhoeverAskedForIt) {
  driver_.hang_start = true;
  auto first = begin(command(Action::start, 3));
  auto again = begin(command(Action::start, 3));
  while (driver_.starts == 0) std::this_thread::yield();
  EXPECT_FALSE(manager_->cancel(vm_, 2)) << "an earlier job's cancel that comes late";
  EXPECT_FALSE(manager_->cancel(vm_, 4));
  EXPECT_FALSE(manager_->cancel(core::new_uuid(), 3));
  EXPECT_TRUE(manager_->cancel(vm_, 3));
  EXPECT_EQ(first.get().error.code, Code::cancelled);
  EXPECT_EQ(again.get().error.code, Code::cancelled);
  EXPECT_EQ(run(command(Action::start, 3)).error.code, Code::cancelled) << "its stored result";
  EXPECT_EQ(driver_.starts, 1);
  EXPECT_FALSE(manager_->cancel(vm_, 3)) << "it has ended";
}

TEST_F(ManagerTest, WhoJoinedACommandCanCancelItToo) {
  driver_.hang_start = true;
  auto first = begin(command(Action::start, 1));
  std::promise<CommandResult> joined;
  const auto ticket =
      manager_->execute(command(Action::start, 1), [&](CommandResult result) { joined.set_value(std::move(result)); });
  ticket->cancel();
  EXPECT_EQ(joined.get_future().get().error.code, Code::cancelled);
  EXPECT_EQ(first.get().error.code, Code::cancelled);
}

TEST_F(ManagerTest, ForceStopOvertakesAHungStart) {
  driver_.hang_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  const auto stopped = run(command(Action::force_stop, 2));
  EXPECT_EQ(stopped.error.code, Code::ok) << stopped.error.message;
  EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
  EXPECT_EQ(hung.get().error.code, Code::cancelled);
}

TEST_F(ManagerTest, PastDeadlineAndGraceTheCallerIsAnsweredAndTheVmUnknown) {
  driver_.hang_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 50'000'000;
  const auto late = run(slow);
  EXPECT_EQ(late.error.code, Code::deadline_exceeded);
  EXPECT_EQ(late.report.status.state, VmState::unknown);
  run(command(Action::force_stop, 2));
}

TEST_F(ManagerTest, WhoAsksAgainForWhatHangsIsAnsweredEachTime) {
  driver_.deaf_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  EXPECT_EQ(run(slow).error.reason, "still-running");
  for (int i = 0; i < 3; ++i) {
    const auto again = run(command(Action::start, 1));
    EXPECT_EQ(again.error.reason, "still-running");
    EXPECT_EQ(again.report.status.state, VmState::unknown);
  }
}

TEST_F(ManagerTest, WhatFailsLateDoesNotStayUnknown) {
  driver_.deaf_start = true;
  auto slow = command(Action::start, 1);
  slow.deadline_ns = plugin::monotonic_ns() + 20'000'000;
  EXPECT_EQ(run(slow).report.status.state, VmState::unknown);
  std::promise<VmState> last;
  std::atomic<bool> told{false};
  std::uint64_t id = 0;
  manager_->subscribe(
      [&](const core::VmReport& report) {
        if (!told.exchange(true)) last.set_value(report.status.state);
      },
      id);
  while (driver_.starts == 0) std::this_thread::yield();
  driver_.release();
  EXPECT_EQ(last.get_future().get(), VmState::shutdown);
  manager_->unsubscribe(id);
  EXPECT_EQ(run(command(Action::start, 2)).error.code, Code::ok);
}

TEST_F(ManagerTest, AFailedPauseTellsWhatIsTrueNow) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.inspected = VmState::running;
  const auto failed = run(command(Action::pause, 2));
  EXPECT_EQ(failed.error.code, Code::internal);
  EXPECT_EQ(failed.report.status.state, VmState::running);
}

TEST_F(ManagerTest, ADeleteDoesNotWaitForACallThatNeverReturns) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  const auto deleted = run(command(Action::remove, 2));
  EXPECT_EQ(deleted.error.code, Code::ok) << deleted.error.message;
  EXPECT_TRUE(deleted.report.deleted);
  EXPECT_EQ(hung.get().error.reason, "vm-not-found");
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  driver_.release();
  EXPECT_EQ(run(command(Action::start, 1)).error.reason, "stale-revision");
  manager_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vms"));
}

TEST_F(ManagerTest, AHungCallKeepsTheEndOfTheAgentNoLongerThanItsGrace) {
  driver_.deaf_start = true;
  auto hung = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  manager_->shutdown(10);
  EXPECT_EQ(hung.get().error.reason, "node-unreachable");
}

TEST_F(ManagerTest, AnInterruptedDeleteIsFinished) {
  run(command(Action::start, 1));
  manager_.reset();
  {
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    JournalRecord intent;
    intent.kind = RecordKind::intent;
    intent.revision = 2;
    intent.step = 1;
    intent.action = "delete";
    ASSERT_TRUE(journal->append(intent, Outlives::agent));
  }
  open();
  const auto asked_again = run(command(Action::remove, 2));
  EXPECT_EQ(asked_again.error.code, Code::ok) << asked_again.error.message;
  manager_.reset();
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/tombstones/" + vm_ + ".json"));
}

TEST_F(ManagerTest, AFirstStartThatGotNowhereIsUndone) {
  JournalRecord intent;
  intent.kind = RecordKind::intent;
  intent.revision = 1;
  intent.step = 1;
  intent.action = "start";
  intent.incarnation = 1;
  ASSERT_TRUE(VmFolder(dir_ + "/vms/" + vm_).make(intent, {}));
  std::filesystem::remove(dir_ + "/vms/" + vm_ + "/vm.json");  // earlier agents wrote it later
  std::filesystem::create_directories(dir_ + "/vms/.new-" + core::new_uuid());
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  const auto asked_again = run(command(Action::start, 1));
  EXPECT_EQ(asked_again.error.code, Code::aborted) << asked_again.error.message;
  // The server takes no report without this session for news: the VM would stay unknown.
  EXPECT_EQ(asked_again.report.session, session_);
  EXPECT_EQ(asked_again.report.revision, 1);
  // What came of it is on record by now, which the next restart mustn't take for damage.
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(run(command(Action::start, 2)).error.code, Code::ok);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_ + "/vms"), {}), 1);
}

TEST_F(ManagerTest, ADamagedVmCanBeEndedAndDeleted) {
  for (const bool journal_too : {false, true}) {
    vm_ = core::new_uuid();
    run(command(Action::start, 1));
    manager_.reset();
    ASSERT_TRUE(core::write_file_durably(dir_ + "/vms/" + vm_ + "/vm.json", "{"));
    if (journal_too) {
      std::filesystem::remove(dir_ + "/vms/" + vm_ + "/journal");
      std::filesystem::create_directory(dir_ + "/vms/" + vm_ + "/journal");
    }
    open();
    EXPECT_EQ(settled().status.state, VmState::unknown);
    const auto stopped = run(command(Action::force_stop, 2));
    EXPECT_EQ(stopped.error.code, Code::ok) << stopped.error.message;
    const auto deleted = run(command(Action::remove, 3));
    EXPECT_EQ(deleted.error.code, Code::ok) << deleted.error.message;
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  }
}

TEST_F(ManagerTest, ARestartTakesTheVmUpAgain) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  open();
  const auto report = settled();
  EXPECT_EQ(report.incarnation, 1);
  EXPECT_EQ(run(command(Action::pause, 2)).error.code, Code::ok);
  EXPECT_EQ(run(command(Action::start, 1)).error.reason, "stale-revision");
}

TEST_F(ManagerTest, ADamagedFolderIsUnknownAndNeverGone) {
  run(command(Action::start, 1));
  manager_.reset();
  for (const std::string content : {"", "{", "{}"}) {
    ASSERT_TRUE(core::write_file_durably(dir_ + "/vms/" + vm_ + "/vm.json", content));
    open();
    const auto report = settled();
    EXPECT_EQ(report.status.state, VmState::unknown) << content;
    EXPECT_FALSE(report.missing);
    EXPECT_FALSE(report.status.status_reason.empty());
    EXPECT_EQ(run(command(Action::start, 9)).error.code, Code::failed_precondition);
    manager_.reset();
  }
}

TEST_F(ManagerTest, AHostRebootIsToldAsThat) {
  run(command(Action::start, 1));
  manager_.reset();
  const VmFolder folder(dir_ + "/vms/" + vm_);
  auto document = folder.read_document();
  ASSERT_TRUE(document);
  document->boot_identity = "another boot";
  ASSERT_TRUE(folder.write_document(*document));
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_EQ(report.status.status_reason, "the host was rebooted");
}

TEST_F(ManagerTest, AnInterruptedStartIsSettledAndItsCallerCanSeeWhich) {
  run(command(Action::start, 1));
  manager_.reset();
  {
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    JournalRecord intent;
    intent.kind = RecordKind::intent;
    intent.revision = 2;
    intent.step = 1;
    intent.action = "pause";
    intent.incarnation = 1;
    ASSERT_TRUE(journal->append(intent, Outlives::agent));
  }
  driver_.recovered = VmState::running;
  open();
  settled();
  const auto asked_again = run(command(Action::pause, 2));
  EXPECT_EQ(asked_again.error.code, Code::aborted);
  EXPECT_NE(asked_again.error.message.find("undone"), std::string::npos);
}

TEST_F(ManagerTest, AStartThatWaitsForItsTurnKeepsNoThreadAndCanBeEnded) {
  driver_.deaf_start = true;
  auto booting = begin(command(Action::start, 1));
  while (driver_.starts == 0) std::this_thread::yield();
  // More than there are threads: each waits for the one slot.
  constexpr int kStarts = 3 * kThreads;
  std::vector<std::future<CommandResult>> waiting;
  std::vector<std::string> vms;
  for (int i = 0; i < kStarts; ++i) {
    vm_ = vms.emplace_back(core::new_uuid());
    waiting.push_back(begin(command(Action::start, 1)));
  }
  vm_ = vms.front();
  EXPECT_EQ(run(command(Action::force_stop, 2)).error.code, Code::ok);
  EXPECT_EQ(waiting.front().get().error.code, Code::cancelled);
  driver_.release();
  EXPECT_EQ(booting.get().error.code, Code::internal);
  for (std::size_t i = 1; i < waiting.size(); ++i) EXPECT_EQ(waiting[i].get().error.code, Code::ok);
  EXPECT_EQ(driver_.starts, kStarts) << "of all but one, and the first";
}

TEST_F(ManagerTest, ARepeatedStepGetsItsStoredResultAlsoAfterARestart) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.inspected = VmState::running;
  const std::string said = run(command(Action::pause, 2)).error.message;
  ASSERT_FALSE(said.empty());
  driver_.fail_pause = false;
  open();
  settled();
  EXPECT_EQ(run(command(Action::pause, 2)).error.message, said) << "the answer of then, not another try";
  EXPECT_EQ(run(command(Action::start, 1)).error.reason, "stale-revision");
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(ManagerTest, WhatWasGivenIsKeptForAnAdopt) {
  auto start = command(Action::start, 1);
  start.document = R"({"name":"web","hypervisor":"fake","spec":{"boot_vcpus":3,"max_vcpus":3},"keep":{"a":[1,"b"]}})";
  run(start);
  const std::string other = std::exchange(vm_, core::new_uuid());
  run(command(Action::start, 1));
  run(command(Action::remove, 2));
  const std::string gone = std::exchange(vm_, other);
  for (int round = 0; round < 2; ++round) {
    const auto kept = manager_->kept({gone, core::new_uuid(), vm_});
    ASSERT_EQ(kept.size(), 2u);
    EXPECT_EQ(kept[0].report.vm, vm_);
    EXPECT_EQ(kept[0].report.name, "web");
    EXPECT_EQ(kept[0].report.incarnation, 1);
    EXPECT_EQ(kept[0].report.revision, 1);
    EXPECT_EQ(kept[0].spec.boot_vcpus, 3);
    EXPECT_EQ(kept[0].keep.text, R"({"a":[1,"b"]})");
    EXPECT_EQ(kept[1].report.vm, gone);
    EXPECT_TRUE(kept[1].report.deleted);
    open();
    settled();
  }
  manager_.reset();
  ASSERT_TRUE(core::write_file_durably(dir_ + "/vms/" + vm_ + "/vm.json", "{"));
  open();
  const auto damaged = manager_->kept({});
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_NE(damaged[0].problem.find("damaged"), std::string::npos);
}

TEST_F(ManagerTest, WordsThatChangeAreKeptAndTheReportSaysSo) {
  auto start = command(Action::start, 1);
  start.document = R"({"name":"web","hypervisor":"fake","spec":{},"keep":{"description":"one"}})";
  const RawJson one{R"({"description":"one"})"};
  const RawJson two{R"({"description":"two \u00e9"})"};
  EXPECT_EQ(run(start).report.keep, core::fingerprint_of_keep("web", one));
  EXPECT_EQ(manager_->keep(core::new_uuid(), "web", two).error().reason, "vm-not-found");
  std::promise<core::VmReport> told;
  std::uint64_t id = 0;
  manager_->subscribe([&](const core::VmReport& report) { told.set_value(report); }, id);
  ASSERT_TRUE(manager_->keep(vm_, "front", two));
  const core::VmReport report = told.get_future().get();
  manager_->unsubscribe(id);
  EXPECT_EQ(report.keep, core::fingerprint_of_keep("front", two));
  EXPECT_EQ(report.status.state, VmState::running);
  EXPECT_EQ(report.name, "front");
  open();
  EXPECT_EQ(settled().keep, report.keep) << "as the file says it";
  EXPECT_EQ(manager_->kept({}).at(0).keep, two);
  EXPECT_EQ(manager_->kept({}).at(0).report.name, "front");
}

TEST_F(ManagerTest, AResizeIsKeptForTheNextStart) {
  run(command(Action::start, 1));
  const auto resized = run(resize(2, 3));
  ASSERT_EQ(resized.error.code, Code::ok) << resized.error.message;
  EXPECT_EQ(resized.report.status.live.text, R"({"vcpus":3})");
  EXPECT_EQ(resized.report.resolved->boot_vcpus, 3);
  const auto document = VmFolder(dir_ + "/vms/" + vm_).read_document();
  ASSERT_TRUE(document);
  EXPECT_EQ(document->spec.boot_vcpus, 3);
  EXPECT_EQ(document->live.text, R"({"vcpus":3})");
  run(command(Action::stop, 3));
  EXPECT_EQ(run(resize(4, 2)).error.reason, "wrong-state") << "of an idle VM it is the server's alone";
}

TEST_F(ManagerTest, AnInterruptedResizeIsCarriedThrough) {
  run(command(Action::start, 1));
  interrupt(resize(2, 4), VmState::running);
  open();
  settled();
  EXPECT_EQ(driver_.vcpus, 4);
  EXPECT_EQ(VmFolder(dir_ + "/vms/" + vm_).read_document()->spec.boot_vcpus, 4);
  EXPECT_EQ(run(resize(2, 4)).error.code, Code::ok);
}

TEST_F(ManagerTest, ASnapshotIsTakenRestoredAndDropped) {
  run(command(Action::start, 1));
  driver_.snapshot_leaves = VmState::paused;
  const auto taken = run(snapshot(2));
  ASSERT_EQ(taken.error.code, Code::ok) << taken.error.message;
  EXPECT_EQ(taken.report.status.state, VmState::running) << "as it was before";
  EXPECT_EQ(driver_.resumes, 1);
  const auto manifest = SnapshotFolder(dir_ + "/vms/" + vm_).read(snapshot_);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->size, 6);
  EXPECT_EQ(manifest->name, "before");
  EXPECT_EQ(manifest->hypervisor, "fake");
  EXPECT_EQ(run(restore(3)).error.reason, "wrong-state") << "it runs";
  run(resize(4, 2));
  run(command(Action::stop, 5));
  const auto restored = run(restore(6));
  ASSERT_EQ(restored.error.code, Code::ok) << restored.error.message;
  EXPECT_EQ(restored.report.status.state, VmState::running);
  EXPECT_EQ(restored.report.incarnation, 6);
  EXPECT_EQ(driver_.restored, "memory");
  EXPECT_EQ(driver_.vcpus, 1) << "the snapshot's size, not the one since";
  EXPECT_EQ(run(snapshot(7, Action::drop_snapshot)).error.code, Code::ok);
  EXPECT_EQ(run(snapshot(8, Action::drop_snapshot)).error.code, Code::ok) << "a second time";
  run(command(Action::stop, 9));
  EXPECT_EQ(run(restore(10)).error.reason, "snapshot-not-found");
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
}

TEST_F(ManagerTest, ASnapshotThatFailsLeavesNothingAndTheVmAsItWas) {
  run(command(Action::start, 1));
  driver_.fail_snapshot = true;
  driver_.inspected = VmState::paused;
  const auto failed = run(snapshot(2));
  EXPECT_EQ(failed.error.code, Code::internal);
  EXPECT_EQ(driver_.resumes, 1) << "it ran before";
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  driver_.full_disk = true;
  EXPECT_EQ(run(snapshot(3)).error.reason, "disk-full");
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  driver_.fail_snapshot = false;
  EXPECT_EQ(run(snapshot(4)).error.code, Code::ok);
}

TEST_F(ManagerTest, AnInterruptedSnapshotIsUndoneAndTheVmGoesOn) {
  run(command(Action::start, 1));
  interrupt(snapshot(2), VmState::running);
  std::filesystem::create_directories(snapshots() + "/.new-" + snapshot_);
  driver_.recovered = VmState::paused;
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown) << "what the fake's inspect says";
  EXPECT_EQ(driver_.resumes, 1);
  EXPECT_TRUE(std::filesystem::is_empty(snapshots()));
  EXPECT_EQ(run(snapshot(2)).error.code, Code::aborted);
}

TEST_F(ManagerTest, ASnapshotThatWasWholeWhenTheAgentEndedIsThere) {
  run(command(Action::start, 1));
  run(snapshot(2));
  interrupt(snapshot(3), VmState::running);
  open();
  settled();
  EXPECT_EQ(run(snapshot(3)).error.code, Code::ok);
  EXPECT_EQ(driver_.resumes, 0);
}

TEST_F(ManagerTest, AHalfRestoredVmIsEnded) {
  run(command(Action::start, 1));
  run(snapshot(2));
  run(command(Action::stop, 3));
  interrupt(restore(4), VmState::shutdown);
  driver_.recovered = VmState::paused;
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_NE(report.status.status_reason.find("restore was interrupted"), std::string::npos);
  EXPECT_EQ(run(restore(4)).error.code, Code::aborted);
  EXPECT_EQ(run(restore(5)).error.code, Code::ok);
}

TEST_F(ManagerTest, CountersAreOfWhatRuns) {
  EXPECT_EQ(manager_->counters(vm_, 0).error().reason, "vm-not-found");
  run(command(Action::start, 1));
  EXPECT_EQ(manager_->counters(vm_, 0)->counters.at(0).value, 7);
  run(command(Action::stop, 2));
  EXPECT_EQ(manager_->counters(vm_, 0).error().reason, "wrong-state");
}

TEST_F(ManagerTest, ADeleteTakesTheSnapshotsAlong) {
  run(command(Action::start, 1));
  run(snapshot(2));
  EXPECT_TRUE(run(command(Action::remove, 3)).report.deleted);
  EXPECT_TRUE(std::filesystem::is_empty(dir_ + "/vms"));
}

TEST_F(ManagerTest, AHostThatGoesDownEndsItsGuestsAndTakesNoStartAnyMore) {
  run(command(Action::start, 1));
  const HostShutdown done = manager_->stop_guests(1000);
  EXPECT_EQ(done.powered_off + done.killed, 1);
  EXPECT_EQ(done.failed, 0);
  const auto report = manager_->inspect(vm_, 0);
  EXPECT_EQ(report.status.state, VmState::shutdown);
  EXPECT_EQ(report.revision, 1) << "no job of the server's";
  EXPECT_FALSE(report.status.exit) << "it says nothing of what is wanted of the VM";
  EXPECT_EQ(run(command(Action::start, 2)).error.reason, "host-stopping");
  open();
  EXPECT_EQ(settled().status.status_reason.find("the host was shut down"), 0u);
  EXPECT_EQ(run(command(Action::start, 2)).error.code, Code::ok) << "the host is back";
}

TEST_F(ManagerTest, ReportsCountUpWithoutGapOrDuplicate) {
  std::vector<std::int64_t> seen;
  std::promise<void> all;  // a caller hears of its command's end before the listeners do
  std::uint64_t id = 0;
  auto snapshot = manager_->subscribe(
      [&](const core::VmReport& report) {
        seen.push_back(report.seq);
        if (report.revision == 3) all.set_value();
      },
      id);
  EXPECT_TRUE(snapshot.empty());
  run(command(Action::start, 1));
  run(command(Action::pause, 2));
  run(command(Action::resume, 3));
  all.get_future().wait();
  manager_->unsubscribe(id);
  ASSERT_EQ(seen.size(), 3u);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], seen[i - 1] + 1);
}

TEST_F(ManagerTest, WhoSubscribesBetweenAnAnswerAndItsReportHearsItOnce) {
  run(command(Action::start, 1));
  std::vector<std::int64_t> heard;
  std::uint64_t id = 0;
  // On the strand's own thread: after the answer, before the listeners are told.
  std::promise<void> subscribed;
  manager_->execute(command(Action::pause, 2), [&](const CommandResult& result) {
    for (const auto& report : manager_->subscribe([&](const core::VmReport& r) { heard.push_back(r.seq); }, id))
      heard.push_back(report.seq);
    EXPECT_EQ(heard, std::vector<std::int64_t>{result.report.seq});
    subscribed.set_value();
  });
  subscribed.get_future().wait();
  const auto next = run(command(Action::resume, 3));
  manager_->shutdown(10'000);
  manager_.reset();  // whatever was still to be told has been
  EXPECT_EQ(heard, (std::vector<std::int64_t>{next.report.seq - 1, next.report.seq}));
}

}  // namespace
}  // namespace qarax::agent
