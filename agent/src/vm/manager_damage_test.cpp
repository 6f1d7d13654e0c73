// What an agent does with a VM whose files can't be read, whose processes can't be seen, or whose plugin can't be
// asked.
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "manager_fixture.hpp"
#include "records.hpp"

namespace qarax::agent {
namespace {

class DamagedVmTest : public ManagerTest {
 protected:
  std::string vm_folder() const { return dir_ + "/vms/" + vm_; }
  std::string record_file() const { return processes_->run_dir(vm_, 1) + "/supervisor.json"; }
  void rewrite_document(const std::function<void(VmDocument&)>& change) const {
    const VmFolder folder(vm_folder());
    auto document = folder.read_document();
    ASSERT_TRUE(document) << document.error().message;
    change(*document);
    ASSERT_TRUE(folder.write_document(*document));
  }
  // Makes the supervisor's record name PIDs that no process here has, as seen from another PID namespace of the same
  // kernel. Returns the record's former content.
  std::string hide_processes() const {
    const auto kept = core::read_file(record_file());
    EXPECT_TRUE(kept);
    EXPECT_TRUE(core::write_file_durably(
        record_file(), R"({"format":1,"min_reader":1,"vmm_pid":4194304,"vmm_start_time":1,"supervisor_pid":4194304,)"
                       R"("supervisor_start_time":1,"started_at":"","boot_id":")" +
                           core::boot_id() + "\"}"));
    rewrite_document([](VmDocument& document) { document.boot_identity = core::boot_id() + "/another/namespace"; });
    return kept ? *kept : std::string();
  }
  // An agent doesn't watch the processes of a VM in another PID namespace. The fixture's service does, because it
  // started them. This holds for the managers that are opened later, too.
  void hear_no_exits() {
    const std::lock_guard lock(exits_mutex_);
    hears_exits_ = false;
    stays_deaf_ = true;
  }
  // The strand runs tasks in order, so the report of a refused pause shows the VM after the look.
  VmState seen_now() {
    manager_->look_again(vm_);
    return run(command(Action::pause, ++revision_)).report.status.state;
  }
  // From the next open() on the supervisors get no time to speak of for a VMM's end.
  void wait_briefly_for_records() {
    close();
    exit_record_ms_ = 20;
    make_processes();
  }
  // Ends the VMM that start_with_an_end() has started while its supervisor, which is returned, stands still.
  ProcessId end_vmm_unrecorded() {
    const auto record = read_supervisor_record(processes_->run_dir(vm_, 1));
    EXPECT_TRUE(record) << record.error().message;
    if (!record) return {};
    ::kill(record->supervisor.pid, SIGSTOP);
    siginfo_t stopped{};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(record->supervisor.pid), &stopped, WSTOPPED), 0);
    end_vmm();
    while (is_alive(record->vmm)) std::this_thread::yield();
    return record->supervisor;
  }
  std::int64_t revision_ = 100;
  ProcessId vmm() const {
    const auto record = read_supervisor_record(processes_->run_dir(vm_, 1));
    EXPECT_TRUE(record) << record.error().message;
    return record ? record->vmm : ProcessId{};
  }
};

TEST_F(DamagedVmTest, WhatRunsInAnotherPidNamespaceIsUnknownAndLeftAlone) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  close();
  const std::string kept = hide_processes();
  const std::string socket_path = processes_->run_dir(vm_, 1) + "/qmp";
  const core::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket_path.size(), sizeof address.sun_path);
  socket_path.copy(address.sun_path, socket_path.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::unknown);
  EXPECT_NE(report.status.status_reason.find("another PID namespace"), std::string::npos)
      << report.status.status_reason;
  EXPECT_TRUE(std::filesystem::exists(socket_path)) << "its VMM listens there";
  driver_.inspected = VmState::running;
  manager_->look_again(vm_);
  const auto refused = run(command(Action::start, 2));
  EXPECT_FALSE(refused.outcome) << "it would have the same disks";
  EXPECT_EQ(refused.report.status.state, VmState::unknown);
  EXPECT_EQ(driver_.starts, 1);
  ASSERT_TRUE(core::write_file_durably(record_file(), kept));
  EXPECT_TRUE(lives(1));
  hear_no_exits();
  ::kill(vmm().pid, SIGKILL);
  const auto state_now = [&] {
    manager_->look_again(vm_);
    return manager_->inspect(vm_, 0).status.state;
  };
  for (int i = 0; i < 500 && state_now() != VmState::shutdown; ++i) ::usleep(10'000);
  EXPECT_EQ(state_now(), VmState::shutdown) << "its supervisor has recorded it";
}

// The supervisor in the other PID namespace is killed, which leaves the VMM running and the lock free.
TEST_F(DamagedVmTest, AFreeLockIsNoEndOfWhatRunsInAnotherPidNamespace) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  const std::string run_dir = processes_->run_dir(vm_, 1);
  const auto record = read_supervisor_record(run_dir);
  ASSERT_TRUE(record);
  struct LastResort {
    const ProcessId vmm;
    ~LastResort() {
      if (is_alive(vmm)) ::kill(vmm.pid, SIGKILL);
    }
  } const last_resort{record->vmm};
  close();
  hide_processes();
  open();
  ASSERT_EQ(settled().status.state, VmState::unknown);
  hear_no_exits();
  ::kill(record->supervisor.pid, SIGKILL);
  while (supervisor_holds_lock(run_dir)) std::this_thread::yield();
  manager_->vm_ended(vm_, 1);
  EXPECT_EQ(seen_now(), VmState::unknown) << "nobody watches it, and it runs";
  EXPECT_TRUE(is_alive(record->vmm));
  // The next agent doesn't take the free lock for an end either, because it sees the VMM's mark. A force-stop finds the
  // VMM by that mark.
  close();
  open();
  EXPECT_EQ(settled().status.state, VmState::unknown) << settled().status.status_reason;
  EXPECT_FALSE(run(command(Action::start, ++revision_)).outcome) << "it would have the same disks";
  const auto stopped = run(command(Action::force_stop, ++revision_));
  EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
  EXPECT_FALSE(is_alive(record->vmm));
}

TEST_F(DamagedVmTest, AnEndThatIsOnRecordIsBelievedInAnotherPidNamespace) {
  start_with_an_end();
  close();
  end_vmm();
  ASSERT_TRUE(processes_->wait({vm_, 1}, CallLimits{}.within_ms(60'000)));
  hide_processes();
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown) << report.status.status_reason;
  ASSERT_TRUE(report.status.exit) << report.status.status_reason;
  EXPECT_EQ(report.status.exit->code, 7);
}

TEST_F(DamagedVmTest, AnEndThatCantBeToldYetIsLookedIntoAgain) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  const ProcessId runs = vmm();
  hear_no_exits();
  const std::string kept = hide_processes();
  manager_->vm_ended(vm_, 1);
  const auto doubted = told([](const core::VmReport& one) { return one.status.state == VmState::unknown; });
  EXPECT_NE(doubted.status.status_reason.find("unclear whether"), std::string::npos) << doubted.status.status_reason;
  ::kill(runs.pid, SIGKILL);
  ASSERT_TRUE(core::write_file_durably(record_file(), kept));
  const auto ended = told([](const core::VmReport& one) { return one.status.state == VmState::shutdown; });
  ASSERT_TRUE(ended.status.exit) << "nobody has told that it ended, or looked at it";
  EXPECT_EQ(ended.status.exit->signal, SIGKILL);
}

TEST_F(DamagedVmTest, AForceStopEndsWhatNoRecordNames) {
  starts_spawn({"wait"});
  for (const bool has_plugin : {true, false}) {
    vm_ = core::new_uuid();
    ASSERT_TRUE(run(command(Action::start, 1)).outcome);
    const ProcessId runs = vmm();
    close();
    ASSERT_TRUE(core::write_file_durably(record_file(), R"({"format":9,"min_reader":9})"));
    if (!has_plugin) rewrite_document([](VmDocument& document) { document.hypervisor = "removed"; });
    open();
    settled();
    ASSERT_TRUE(is_alive(runs));
    const auto stopped = run(command(Action::force_stop, 2));
    EXPECT_TRUE(stopped.outcome) << stopped.outcome.error().message;
    EXPECT_EQ(stopped.report.status.state, VmState::shutdown);
    EXPECT_FALSE(is_alive(runs)) << "the next start's VMM would have its disks with it";
    EXPECT_TRUE(run(command(Action::remove, 3)).outcome);
  }
}

// The agent was killed between the end of the start and its answer, and the next one can't ask the plugin.
TEST_F(DamagedVmTest, WhatWasFinishedIsToldThoughNobodyKnowsHowTheVmIs) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  driver_.fail_recover = true;
  open();
  ASSERT_EQ(settled().status.state, VmState::unknown);
  const auto started = run(command(Action::start, 1));
  EXPECT_TRUE(started.outcome) << started.outcome.error().message;
  EXPECT_EQ(started.report.status.state, VmState::unknown);
  EXPECT_EQ(started.report.session, session_);
  // Nor is a command refused that was interrupted: it may have been carried out.
  interrupt(command(Action::pause, 2), VmState::running);
  open();
  ASSERT_EQ(settled().status.state, VmState::unknown);
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().reason, "recovering");
  driver_.inspected = VmState::running;
  manager_->look_again(vm_);
  told([](const core::VmReport& report) { return report.status.state == VmState::running; });
  EXPECT_TRUE(run(command(Action::pause, 2)).outcome) << "carried out as soon as the state is known";
}

TEST_F(DamagedVmTest, AnInterruptedForceStopIsCarriedOutThoughNobodyKnowsHowTheVmIs) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  interrupt(command(Action::force_stop, 2), VmState::running);
  driver_.fail_recover = true;
  open();
  told([](const core::VmReport& report) { return report.status.state == VmState::shutdown; });
  EXPECT_FALSE(lives(1));
}

// Its plugin is refused by now: the recovery goes on until it is there, and a job mustn't wait for that.
TEST_F(DamagedVmTest, ACancelEndsACommandOfAVmThatIsNeverRecovered) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  close();
  rewrite_document([](VmDocument& document) { document.hypervisor = "removed"; });
  open();
  const auto fails = [](const core::VmReport& report) {
    return report.status.status_reason.find("tried ") != std::string::npos;
  };
  told(fails);
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().reason, "recovering");
  EXPECT_FALSE(manager_->cancel(vm_, 2)) << "there is nothing to break off";
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().code, Code::cancelled);
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().code, Code::cancelled);
  EXPECT_EQ(run(command(Action::pause, 1)).outcome.error().reason, "stale-revision");
  EXPECT_EQ(run(command(Action::pause, 3)).outcome.error().reason, "recovering");
  // Of one that was begun nobody knows what became of it.
  interrupt(command(Action::pause, 4), VmState::running);
  open();
  told(fails);
  EXPECT_EQ(run(command(Action::pause, 4)).outcome.error().reason, "recovering");
  manager_->cancel(vm_, 4);
  EXPECT_EQ(run(command(Action::pause, 4)).outcome.error().reason, "interrupted");
  EXPECT_TRUE(run(command(Action::force_stop, 5)).outcome);
}

TEST_F(DamagedVmTest, ACancelEndsTheInterruptedCommandOfAVmThatWasGivenUp) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  interrupt(command(Action::pause, 2), VmState::running);
  driver_.fail_recover = true;
  open();
  settled();
  manager_->cancel(vm_, 2);
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().reason, "interrupted");
}

// A recovery that does come to its end says what became of the command.
TEST_F(ManagerTest, ACancelWhileARecoveryGoesOnWaitsForWhatItFinds) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  interrupt(command(Action::stop, 2), VmState::running);
  driver_.deaf_recover = true;
  driver_.recoveries = 0;
  open();
  while (driver_.recoveries == 0) std::this_thread::yield();
  manager_->cancel(vm_, 2);
  EXPECT_EQ(run(command(Action::stop, 2)).outcome.error().reason, "recovering");
  driver_.release();
  EXPECT_EQ(settled().status.state, VmState::running);
  EXPECT_EQ(run(command(Action::stop, 2)).outcome.error().reason, "interrupted");
  EXPECT_EQ(driver_.stops, 0) << "nobody wants it any more";
}

// It is asked again and again as long as its VMM lives and its plugin isn't there.
TEST_F(DamagedVmTest, WhatWasFinishedIsToldWhileTheRecoveryGoesOn) {
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  close();
  rewrite_document([](VmDocument& document) { document.hypervisor = "removed"; });
  open();
  told([](const core::VmReport& report) { return report.status.status_reason.find("tried ") != std::string::npos; });
  EXPECT_TRUE(run(command(Action::start, 1)).outcome);
  EXPECT_EQ(run(command(Action::pause, 2)).outcome.error().reason, "recovering");
}

TEST_F(DamagedVmTest, ARecoveryWaitsForAnEndToBeRecorded) {
  start_with_an_end();
  wait_briefly_for_records();
  const ProcessId supervisor = end_vmm_unrecorded();
  driver_.fail_recover = true;
  open();
  const auto first = told([](const core::VmReport& report) {
    return report.status.status_reason.find("recovering after") == std::string::npos;
  });
  EXPECT_EQ(first.status.state, VmState::unknown);
  EXPECT_NE(first.status.status_reason.find("tried "), std::string::npos) << first.status.status_reason;
  ::kill(supervisor.pid, SIGCONT);
  const auto ended = told([](const core::VmReport& report) { return report.status.state == VmState::shutdown; });
  ASSERT_TRUE(ended.status.exit);
  EXPECT_EQ(ended.status.exit->code, 7);
}

TEST_F(DamagedVmTest, AVmWhoseEndIsntRecordedYetIsUnknownUntilItIs) {
  wait_briefly_for_records();
  open();
  start_with_an_end();
  const ProcessId supervisor = end_vmm_unrecorded();
  driver_.fail_inspect = true;
  manager_->look_again(vm_);
  const auto doubted = told([](const core::VmReport& report) { return report.status.state == VmState::unknown; });
  EXPECT_NE(doubted.status.status_reason.find("hasn't recorded how yet"), std::string::npos)
      << doubted.status.status_reason;
  ::kill(supervisor.pid, SIGCONT);
  const auto ended = told([](const core::VmReport& report) { return report.status.state == VmState::shutdown; });
  ASSERT_TRUE(ended.status.exit);
  EXPECT_EQ(ended.status.exit->code, 7);
}

TEST_F(DamagedVmTest, AForceStopAndADeleteEndASupervisorThatHangs) {
  wait_briefly_for_records();
  open();
  for (const Action action : {Action::force_stop, Action::remove}) {
    vm_ = core::new_uuid();
    start_with_an_end();
    const ProcessId supervisor = end_vmm_unrecorded();
    const auto ended = run(command(action, 2));
    EXPECT_TRUE(ended.outcome) << ended.outcome.error().message;
    EXPECT_FALSE(is_alive(supervisor)) << "no start would get past it";
    EXPECT_EQ(driver_.stops, 0) << "its plugin would wait for that supervisor";
    if (action == Action::force_stop) {
      EXPECT_TRUE(run(command(Action::start, 3)).outcome);
    }
    EXPECT_TRUE(processes_->kill_all(vm_, CallLimits{}.within_ms(60'000)));
    std::filesystem::remove(dir_ + "/ready");
  }
}

TEST_F(DamagedVmTest, AnEndWhileTheAgentWasAwayIsToldThoughNoPluginCanBeAsked) {
  start_with_an_end();
  close();
  end_vmm();
  ASSERT_TRUE(processes_->wait({vm_, 1}, CallLimits{}.within_ms(60'000)));
  rewrite_document([](VmDocument& document) { document.hypervisor = "removed"; });
  open();
  const auto report = settled();
  EXPECT_EQ(report.status.state, VmState::shutdown) << report.status.status_reason;
  ASSERT_TRUE(report.status.exit);
  EXPECT_EQ(report.status.exit->code, 7);
}

TEST_F(DamagedVmTest, ADocumentThatCantBeReadNowIsReadLater) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  close();
  const std::string file = vm_folder() + "/vm.json";
  std::filesystem::rename(file, dir_ + "/aside");
  EXPECT_EQ(VmFolder(vm_folder()).read_document().error().code, Code::data_loss) << "a folder without one is damage";
  std::filesystem::create_directory(file);
  EXPECT_EQ(VmFolder(vm_folder()).read_document().error().code, Code::internal) << "a read that fails is none";
  open();
  const auto report = told(
      [](const core::VmReport& one) { return one.status.status_reason.find("can't be read") != std::string::npos; });
  EXPECT_EQ(report.status.state, VmState::unknown);
  std::filesystem::remove(file);
  std::filesystem::rename(dir_ + "/aside", file);
  EXPECT_EQ(settled().status.state, VmState::running) << settled().status.status_reason;
}

TEST_F(DamagedVmTest, ANewerAgentsDocumentAsksForAnUpgrade) {
  run(command(Action::start, 1));
  close();
  ASSERT_TRUE(core::write_file_durably(vm_folder() + "/vm.json", R"({"format":9,"min_reader":9,"vm":[]})"));
  const auto document = VmFolder(vm_folder()).read_document();
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().reason, "node-outdated") << document.error().message;
}

// A server that doesn't know the VM takes revision 0 for a recovery that goes on, and neither adopts nor removes it.
TEST_F(DamagedVmTest, WhatCantBeReadHasARevisionAllTheSame) {
  const auto kept = [&] {
    for (core::KeptVm& one : manager_->kept({}))
      if (one.report.vm == vm_) return one;
    return core::KeptVm{};
  };
  const auto is_removed = [&] { return run(command(Action::remove, kept().report.revision + 1)).report.deleted; };
  const auto make = [&] {
    vm_ = core::new_uuid();
    run(command(Action::start, 7));
    run(command(Action::force_stop, 8));
    close();
    return *core::read_file(vm_folder() + "/journal");
  };
  std::string journal = make();
  journal[8] = '!';  // the first record's first byte
  ASSERT_TRUE(core::write_file_durably(vm_folder() + "/journal", journal));
  open();
  EXPECT_EQ(settled().revision, 8) << "what is whole is read";
  EXPECT_EQ(kept().problem, "") << "its document tells all that an adopt needs";
  EXPECT_TRUE(is_removed());
  make();
  ASSERT_TRUE(core::write_file_durably(vm_folder() + "/vm.json", "{"));
  open();
  EXPECT_EQ(settled().revision, 8) << "the journal is none the worse for it";
  EXPECT_NE(kept().problem, "");
  EXPECT_TRUE(is_removed());
  make();
  ASSERT_TRUE(core::write_file_durably(vm_folder() + "/vm.json", "{"));
  ASSERT_TRUE(core::write_file_durably(vm_folder() + "/journal", std::string(100, '!')));
  open();
  EXPECT_GT(settled().revision, 0);
  EXPECT_TRUE(is_removed());
  // One that may be readable later is removed when somebody asks for it, and adopted only with its real revision.
  make();
  std::filesystem::remove(vm_folder() + "/journal");
  std::filesystem::create_directory(vm_folder() + "/journal");
  open();
  told([](const core::VmReport& report) { return report.status.status_reason.find("tried ") != std::string::npos; });
  EXPECT_GT(kept().report.revision, 0);
  EXPECT_NE(kept().problem, "");
  EXPECT_TRUE(is_removed());
}

TEST_F(DamagedVmTest, AStartBeginsAnotherJournalWhereOneIsDamaged) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  run(command(Action::force_stop, 2));
  close();
  const std::string file = vm_folder() + "/journal";
  std::string damaged = *core::read_file(file);
  damaged[8] = '!';  // the first record's first byte
  ASSERT_TRUE(core::write_file_durably(file, damaged));
  open();
  EXPECT_EQ(settled().status.state, VmState::unknown);
  EXPECT_FALSE(run(command(Action::start, 3)).outcome) << "nobody knows yet that nothing runs";
  EXPECT_TRUE(run(command(Action::force_stop, 4)).outcome);
  const auto started = run(command(Action::start, 5));
  EXPECT_TRUE(started.outcome) << started.outcome.error().message;
  int kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(vm_folder()))
    if (entry.path().filename().string().starts_with("journal.damaged")) {
      EXPECT_EQ(*core::read_file(entry.path().string()), damaged);
      ++kept;
    }
  EXPECT_EQ(kept, 1) << "nothing of it is lost";
  open();
  EXPECT_EQ(settled().status.state, VmState::running);
  EXPECT_EQ(run(command(Action::start, 4)).outcome.error().reason, "stale-revision");
}

TEST_F(DamagedVmTest, HalfWrittenFilesAreSweptAtTheStart) {
  driver_.inspected = VmState::running;
  run(command(Action::start, 1));
  close();
  const std::string half = vm_folder() + "/vm.json.tmp4711.0";
  std::ofstream(half) << "{";
  open();
  EXPECT_FALSE(std::filesystem::exists(half));
  EXPECT_EQ(settled().status.state, VmState::running);
}

TEST_F(DamagedVmTest, TheLogOfAVmmWithoutItsSupervisorStaysBounded) {
  constexpr std::uintmax_t kMost = 1u << 20;
  starts_spawn({"wait"});
  ASSERT_TRUE(run(command(Action::start, 1)).outcome);
  const auto record = read_supervisor_record(processes_->run_dir(vm_, 1));
  ASSERT_TRUE(record);
  ::kill(record->supervisor.pid, SIGKILL);
  while (!processes_->has_lost_supervisor(vm_, 1)) std::this_thread::yield();
  const std::string log = processes_->run_dir(vm_, 1) + "/vmm.log";
  std::ofstream(log, std::ios::app) << std::string(kMost, 'a') << std::string(kMost, 'b') << "end\n";
  look_ms_ = 5;
  open();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::filesystem::file_size(log) > kMost && std::chrono::steady_clock::now() < patience)
    std::this_thread::yield();
  EXPECT_LE(std::filesystem::file_size(log), kMost);
  const auto older = core::read_file(log + ".1");
  ASSERT_TRUE(older);
  EXPECT_EQ(older->size(), kMost);
  EXPECT_TRUE(older->ends_with("bend\n"));
}

}  // namespace
}  // namespace qarax::agent
