// What a new manager makes of the folders that it finds, and what earlier ones keep in them for it.
#include <sys/stat.h>

#include "manager_fixture.hpp"

namespace qarax::agent {
namespace {

// The intent of a command whose agent was killed before there was a result.
JournalRecord intent(const std::string& action, std::int64_t revision, std::int64_t incarnation) {
  JournalRecord record;
  record.kind = RecordKind::intent;
  record.revision = revision;
  record.step = 1;
  record.action = action;
  record.incarnation = incarnation;
  return record;
}

TEST_F(ManagerTest, ALateStartOfADeletedVmIsRefusedAlsoAfterARestart) {
  run(command(Action::start, 1));
  EXPECT_TRUE(run(command(Action::remove, 3)).report.deleted);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  EXPECT_EQ(run(command(Action::start, 2)).outcome.error().reason, "stale-revision");
  open();
  EXPECT_EQ(run(command(Action::start, 2)).outcome.error().reason, "stale-revision");
  struct stat stone {};
  struct stat after {};
  const std::string tombstone = dir_ + "/tombstones/" + vm_ + ".json";
  EXPECT_EQ(::stat(tombstone.c_str(), &stone), 0);
  const auto again = run(command(Action::remove, 3));
  EXPECT_TRUE(again.outcome);
  EXPECT_TRUE(again.report.deleted);
  EXPECT_EQ(::stat(tombstone.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, stone.st_ino) << "what it says already isn't written again: it is asked for under a lock";
  EXPECT_EQ(driver_.starts, 1);
}

TEST_F(ManagerTest, AVmWhosePluginIsStillBeingLoadedWaitsForItAndHoldsUpNoOther) {
  Command other = command(Action::start, 1);
  other.vm = core::new_uuid();
  other.document = R"({"name":"db","hypervisor":"slow","spec":{}})";
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  ASSERT_TRUE(run(other).outcome);
  driver_.slow_is_loading = true;
  open();
  told([&](const core::VmReport& report) { return report.vm == vm_ && report.status.state == VmState::running; });
  const auto waits = told([&](const core::VmReport& report) {
    return report.vm == other.vm && report.status.status_reason == "recovering: it is still being loaded";
  });
  EXPECT_EQ(waits.status.state, VmState::unknown);
  driver_.slow_is_loading = false;
  told([&](const core::VmReport& report) { return report.vm == other.vm && report.status.state == VmState::running; });
}

TEST_F(ManagerTest, AnInterruptedDeleteIsFinished) {
  run(command(Action::start, 1));
  manager_.reset();
  {
    auto journal = Journal::open(dir_ + "/vms/" + vm_ + "/journal", After::agent);
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->append(intent("delete", 2, 0), Outlives::agent));
  }
  open();
  const auto asked_again = run(command(Action::remove, 2));
  EXPECT_TRUE(asked_again.outcome) << asked_again.outcome.error().message;
  manager_.reset();
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/tombstones/" + vm_ + ".json"));
}

TEST_F(ManagerTest, AFirstStartThatGotNowhereIsUndone) {
  ASSERT_TRUE(VmFolder(dir_ + "/vms/" + vm_).make(intent("start", 1, 1), {}));
  std::filesystem::remove(dir_ + "/vms/" + vm_ + "/vm.json");  // earlier agents wrote it later
  std::filesystem::create_directories(dir_ + "/vms/.new-" + core::new_uuid());
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  const auto asked_again = run(command(Action::start, 1));
  EXPECT_EQ(asked_again.outcome.error().code, Code::aborted) << asked_again.outcome.error().message;
  // The server ignores a report without the current session, so the VM would stay unknown there.
  EXPECT_EQ(asked_again.report.session, session_);
  EXPECT_EQ(asked_again.report.revision, 1);
  // The outcome is recorded by now. The next restart must not take that for damage.
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_TRUE(run(command(Action::start, 2)).outcome);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_ + "/vms"), {}), 1);
}

TEST_F(ManagerTest, ADamagedVmCanBeEndedAndDeleted) {
  for (const char* also : {"", "journal", "run"}) {
    vm_ = core::new_uuid();
    run(command(Action::start, 1));
    manager_.reset();
    ASSERT_TRUE(core::write_file_durably(dir_ + "/vms/" + vm_ + "/vm.json", "{"));
    if (also == std::string_view("run")) {
      std::filesystem::remove_all(dir_ + "/vms/" + vm_ + "/run");
      ASSERT_TRUE(core::write_file_durably(dir_ + "/vms/" + vm_ + "/run", "no folder"));
    }
    if (also == std::string_view("journal")) {
      std::filesystem::remove(dir_ + "/vms/" + vm_ + "/journal");
      std::filesystem::create_directory(dir_ + "/vms/" + vm_ + "/journal");
    }
    open();
    EXPECT_EQ(settled().status.state, VmState::unknown);
    const auto stopped = run(command(Action::force_stop, 2));
    EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
    const auto deleted = run(command(Action::remove, 3));
    EXPECT_TRUE(deleted.outcome) << deleted.outcome.error().message;
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/vms/" + vm_));
  }
}

TEST_F(ManagerTest, ARestartTakesTheVmUpAgain) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  open();
  const auto report = settled();
  EXPECT_EQ(report.incarnation, 1);
  EXPECT_TRUE(run(command(Action::pause, 2)).outcome);
  EXPECT_EQ(run(command(Action::start, 1)).outcome.error().reason, "stale-revision");
}

// What a hung recovery still says is older than the force-stop, whose caller has been told that nothing runs.
TEST_F(ManagerTest, ARecoveryThatHangsSaysNothingMoreOnceItIsOvertaken) {
  for (const bool fails : {false, true}) {
    for (const Action action : {Action::force_stop, Action::remove}) {
      vm_ = core::new_uuid();
      run(command(Action::start, 1));
      driver_.deaf_recover = true;
      driver_.fail_recover = fails;
      driver_.recoveries = 0;
      open();
      while (driver_.recoveries == 0) std::this_thread::yield();
      const auto ended = run(command(action, 2));
      EXPECT_TRUE(ended.outcome) << ended.outcome.error().message;
      std::vector<core::VmReport> heard;
      std::uint64_t id = 0;
      manager_->subscribe([&](const core::VmReport& report) { heard.push_back(report); }, id);
      driver_.release();
      driver_.fail_recover = false;
      close();
      for (const core::VmReport& report : heard) {
        EXPECT_EQ(report.status.state, VmState::shutdown) << report.status.status_reason;
        EXPECT_EQ(report.deleted, action == Action::remove);
      }
      open();
    }
  }
}

TEST_F(ManagerTest, ARecoveryThatThrowsIsTriedAgain) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  driver_.throw_recover = true;
  open();
  told([](const core::VmReport& report) {
    return report.status.status_reason == "recovering, tried 1 times: out of luck";
  });
  told([](const core::VmReport& report) { return report.status.state == VmState::running; });
  EXPECT_TRUE(run(command(Action::pause, 2)).outcome);
}

TEST_F(ManagerTest, ARecoveryIsCancelledByWhatOvertakesIt) {
  run(command(Action::start, 1));
  driver_.hang_recover = true;
  driver_.recoveries = 0;
  open();
  while (driver_.recoveries == 0) std::this_thread::yield();
  const auto stopped = run(command(Action::force_stop, 2));
  EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
  EXPECT_TRUE(driver_.recover_cancelled);
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
    EXPECT_EQ(run(command(Action::start, 9)).outcome.error().code, Code::failed_precondition);
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
    ASSERT_TRUE(journal->append(intent("pause", 2, 1), Outlives::agent));
  }
  driver_.recovered = VmState::running;
  open();
  settled();
  const auto asked_again = run(command(Action::pause, 2));
  EXPECT_EQ(asked_again.outcome.error().code, Code::aborted);
  EXPECT_NE(asked_again.outcome.error().message.find("undone"), std::string::npos);
}

// The guest may be shutting down by it: "undone" would be wrong, and a restart policy would start the VM again.
TEST_F(ManagerTest, AnInterruptedStopIsCarriedOn) {
  const auto is_shutdown = [&](const core::VmReport& report) {
    return report.vm == vm_ && report.status.state == VmState::shutdown;
  };
  run(command(Action::start, 1));
  Command stop = command(Action::stop, 2);
  stop.document = encode(core::StopCommand{4321});
  interrupt(stop, VmState::running);
  open();
  EXPECT_EQ(told(is_shutdown).revision, 2);
  EXPECT_EQ(driver_.stop_timeout_ms, 4321) << "its whole time, as it was asked for";
  EXPECT_TRUE(run(stop).outcome);
  EXPECT_EQ(driver_.stops, 1);
  open();
  EXPECT_EQ(settled().status.state, VmState::shutdown);
  EXPECT_EQ(driver_.stops, 1) << "it came to its end";
  EXPECT_TRUE(run(stop).outcome);
  // Earlier agents didn't keep the document.
  run(command(Action::start, 3));
  interrupt(command(Action::stop, 4), VmState::running);
  open();
  told(is_shutdown);
  EXPECT_EQ(driver_.stop_timeout_ms, 30'000);
  EXPECT_TRUE(run(command(Action::stop, 4)).outcome);
}

// The stop was acknowledged: a later command that is cancelled meanwhile doesn't undo it.
TEST_F(ManagerTest, AnInterruptedStopIsCarriedOnThoughALaterCommandWasCancelled) {
  run(command(Action::start, 1));
  interrupt(command(Action::stop, 2), VmState::running);
  driver_.deaf_recover = true;
  driver_.recoveries = 0;
  open();
  while (driver_.recoveries == 0) std::this_thread::yield();
  manager_->cancel(vm_, 3);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run(command(Action::pause, 3)).outcome.error().code, Code::cancelled);
  driver_.release();
  told([&](const core::VmReport& report) { return report.status.state == VmState::shutdown; });
  EXPECT_TRUE(run(command(Action::stop, 2)).outcome);
  EXPECT_EQ(driver_.stops, 1);
  EXPECT_EQ(run(command(Action::pause, 3)).outcome.error().code, Code::cancelled);
}

TEST_F(ManagerTest, AnInterruptedStopOfAnUnknownVmIsNotCalledUndone) {
  run(command(Action::start, 1));
  interrupt(command(Action::stop, 2), VmState::running);
  driver_.recovered = VmState::unknown;
  open();
  EXPECT_EQ(settled().status.state, VmState::unknown);
  EXPECT_EQ(run(command(Action::stop, 2)).outcome.error().reason, "recovering");
  driver_.inspected = VmState::running;
  manager_->look_again(vm_);
  told([&](const core::VmReport& report) { return report.status.state == VmState::running; });
  EXPECT_TRUE(run(command(Action::stop, 2)).outcome) << "carried out as soon as the state is known";
  EXPECT_EQ(driver_.stops, 1);
}

TEST_F(ManagerTest, AnInterruptedForceStopIsCarriedOut) {
  run(command(Action::start, 1));
  interrupt(command(Action::force_stop, 2), VmState::running);
  open();
  told([&](const core::VmReport& report) { return report.status.state == VmState::shutdown; });
  EXPECT_TRUE(run(command(Action::force_stop, 2)).outcome);
  EXPECT_EQ(driver_.stops, 1);
}

TEST_F(ManagerTest, TheJournalKeepsTheDocumentOfAStopUnlessItWouldBeUnreadableByIt) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  Command stop = command(Action::stop, 2);
  stop.document = "{";
  EXPECT_FALSE(run(stop).outcome);
  open();
  EXPECT_EQ(settled().status.state, VmState::running) << settled().status.status_reason;
  std::string kept;
  driver_.on_stop = [&] { kept = *core::read_file(dir_ + "/vms/" + vm_ + "/journal"); };
  stop = command(Action::stop, 3);
  stop.document = encode(core::StopCommand{4321});
  EXPECT_TRUE(run(stop).outcome);
  EXPECT_NE(kept.find("4321"), std::string::npos);
  driver_.on_stop = nullptr;
}

TEST_F(ManagerTest, ARepeatedStepGetsItsStoredResultAlsoAfterARestart) {
  run(command(Action::start, 1));
  driver_.fail_pause = true;
  driver_.inspected = VmState::running;
  const std::string said = run(command(Action::pause, 2)).outcome.error().message;
  ASSERT_FALSE(said.empty());
  driver_.fail_pause = false;
  open();
  settled();
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().message, said) << "the answer of then, not another try";
  EXPECT_EQ(run(command(Action::start, 1)).outcome.error().reason, "stale-revision");
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

TEST_F(ManagerTest, LaterWordsAreNeverReplacedByEarlierOnes) {
  auto start = command(Action::start, 1);
  start.document = R"({"name":"web","hypervisor":"fake","spec":{},"keep":{"description":"one"},"keep_edition":4})";
  EXPECT_EQ(run(start).report.keep_edition, 4);
  std::int64_t revision = 1;
  const auto told = [&](const std::string& words, std::int64_t edition) {
    EXPECT_TRUE(manager_->keep(vm_, {"web", RawJson{words}, edition}));
    run(command(Action::pause, ++revision));  // returns once the tasks before it are done
    return manager_->kept({}).at(0);
  };
  EXPECT_EQ(told(R"({"description":"old"})", 3).keep.text, R"({"description":"one"})");
  EXPECT_EQ(told(R"({"description":"same"})", 4).keep.text, R"({"description":"same"})");
  EXPECT_EQ(told(R"({"description":"new"})", 6).report.keep_edition, 6);
  open();
  EXPECT_EQ(settled().keep_edition, 6) << "as the file says it";
  EXPECT_EQ(told(R"({"description":"old"})", 5).keep.text, R"({"description":"new"})");
  const auto without = told(R"({"description":"an older server's"})", 0);
  EXPECT_EQ(without.keep.text, R"({"description":"an older server's"})");
  EXPECT_EQ(without.report.keep_edition, 0);
}

TEST_F(ManagerTest, WordsThatChangeAreKeptAndTheReportSaysSo) {
  auto start = command(Action::start, 1);
  start.document = R"({"name":"web","hypervisor":"fake","spec":{},"keep":{"description":"one"}})";
  const RawJson one{R"({"description":"one"})"};
  const RawJson two{R"({"description":"two \u00e9"})"};
  EXPECT_EQ(run(start).report.keep, core::fingerprint_of_keep("web", one));
  EXPECT_EQ(manager_->keep(core::new_uuid(), {"web", two}).error().reason, "vm-not-found");
  std::promise<core::VmReport> told;
  std::uint64_t id = 0;
  manager_->subscribe([&](const core::VmReport& report) { told.set_value(report); }, id);
  ASSERT_TRUE(manager_->keep(vm_, {"front", two}));
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

}  // namespace
}  // namespace qarax::agent
