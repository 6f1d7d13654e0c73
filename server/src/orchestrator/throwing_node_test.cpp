// What is left for the next tick when a call to a node throws, as where there is no memory for it.
#include <atomic>
#include <map>
#include <mutex>
#include <new>

#include "answering_fleet_fixture.hpp"
#include "orchestrator.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

using core::Action;

class ThrowingNode : public OverAnAnsweringFleet {};

TEST_F(ThrowingNode, AJobIsSentAgainByTheNextTick) {
  const std::string web = running("web");
  const std::string job = begin(web, Action::stop).job.id;
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand& command) {
    if (++asked == 1) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "the job's end", [&] { return store_->unfinished_jobs().empty(); }, std::chrono::seconds(20));
  EXPECT_EQ(store_->vm(web)->observed.status.state, VmState::shutdown);
  EXPECT_EQ(store_->job_book().find(job)->state, JobState::completed);
  EXPECT_EQ(asked, 2);
}

TEST_F(ThrowingNode, ARefusedCallRaisesNoTombstone) {
  const std::string web = running("web");
  ASSERT_TRUE(store_->remove_vm(web, Removal::with_tombstone));
  const auto before = store_->tombstones(host_);
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand&) {
    ++asked;
    return CommandOutcome{true, std::nullopt, make_error(Code::permission_denied, "not from you", "")};
  });
  OrchestratorOptions options;
  options.burials = {1, 2};
  Orchestrator orchestrator(*store_, fleet, options);
  wait_until(
      "three attempts", [&] { return asked >= 3; }, std::chrono::seconds(20));
  EXPECT_EQ(store_->tombstones(host_), before) << "the node has judged no revision";
}

TEST_F(ThrowingNode, OneThatAlwaysThrowsKeepsNoOtherFromItsTurn) {
  for (const std::string name : {"a", "b", "c"}) begin(running(name), Action::stop);
  for (const std::string name : {"d", "e", "f"}) ASSERT_TRUE(store_->remove_vm(running(name), Removal::with_tombstone));
  // The first job and the first delete that are sent.
  std::map<Action, std::string> bad;
  std::mutex mutex;
  AnsweringFleet fleet([&](const NodeCommand& command) {
    const std::lock_guard lock(mutex);
    if (bad.emplace(command.action, command.vm).first->second == command.vm) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "the others' ends",
      [&] { return store_->unfinished_jobs().size() == 1 && store_->tombstones(host_).size() == 1; },
      std::chrono::seconds(20));
}

TEST_F(ThrowingNode, AForgottenVmIsDeletedByALaterTick) {
  ASSERT_TRUE(store_->remove_vm(running("web"), Removal::with_tombstone));
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand& command) {
    if (++asked == 1) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "no tombstone", [&] { return store_->tombstones(host_).empty(); }, std::chrono::seconds(20));
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace qarax::server
