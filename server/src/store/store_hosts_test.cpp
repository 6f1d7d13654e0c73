// Hosts in the store: their reports, their loss, and their proofs that the database was set back.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "qarax/core/ids.hpp"
#include "store.hpp"
#include "store_fixture.hpp"

namespace qarax::server {
namespace {

using core::Action;

TEST_P(StoreTest, AHostGoesWhenItHasNoVm) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  const auto refused = store_->remove_host({on->id});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "host-in-use");
  ASSERT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  EXPECT_EQ(store_->tombstones(on->id).size(), 1u);
  ASSERT_TRUE(store_->remove_host({on->id}));
  EXPECT_FALSE(store_->host(on->id));
  EXPECT_TRUE(store_->tombstones(on->id).empty());
  EXPECT_TRUE(store_->reservations().empty()) << "nor does anything of its forgotten VM count";
  // A start that was decided before the host's removal finds no host.
  const VmPtr late = vm("late");
  BeginJob asked = job(late, Action::start);
  asked.placement = Placement{on->id, "qemu", 100, 1000};
  EXPECT_EQ(store_->begin_job(asked).error().reason, "changed");
  open();
  EXPECT_TRUE(store_->hosts().empty());
}

TEST_P(StoreTest, AHostThatNeverComesBackIsForgottenWithItsVms) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  const VmPtr idle = vm("idle");
  store_->update_host(on->id, HostStatus::up, "", std::nullopt);
  EXPECT_EQ(store_->remove_host({on->id, std::nullopt, true}).error().reason, "host-in-use") << "it is there";
  store_->update_host(on->id, HostStatus::down, "", std::nullopt);
  EXPECT_EQ(store_->remove_host({on->id}).error().reason, "host-in-use");
  ASSERT_TRUE(store_->remove_host({on->id, std::nullopt, true, true}));
  EXPECT_TRUE(store_->vm(made->id)) << "only a check";
  ASSERT_TRUE(store_->remove_host({on->id, std::nullopt, true}));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(store_->vm(made->id), nullptr);
    EXPECT_TRUE(store_->vm(idle->id));
    EXPECT_TRUE(store_->hosts().empty());
    EXPECT_TRUE(store_->reservations().empty());
    EXPECT_TRUE(store_->tombstones(on->id).empty());
    open();
  }
}

TEST_P(StoreTest, TheLastProofOfASetBackGoesWithItsHost) {
  const HostPtr gone = host();
  const auto other = store_->add_host({"other", "127.0.0.1", 2, ""});
  ASSERT_TRUE(other);
  const VmPtr made = running("web", gone);
  ASSERT_TRUE(store_->mark_set_back(gone->id, "it knows more"));
  ASSERT_TRUE(store_->mark_set_back((*other)->id, "so does it"));
  const Activation before = store_->activation();
  EXPECT_EQ(store_->remove_vm(made->id, Removal::with_tombstone).error().reason, "read-only");
  ASSERT_TRUE(store_->remove_host({gone->id, std::nullopt, true}));
  EXPECT_EQ(store_->vm(made->id), nullptr);
  EXPECT_NE(store_->read_only(), "") << "the other one's proof stands";
  ASSERT_TRUE(store_->remove_host({(*other)->id}));
  EXPECT_EQ(store_->read_only(), "");
  EXPECT_GT(store_->activation().term, before.term);
  EXPECT_TRUE(store_->create_vm({"new", std::nullopt, "", std::nullopt, {}}));
  open();
  EXPECT_EQ(store_->read_only(), "");
}

TEST_P(StoreTest, AHostWithoutProofStaysWhileChangesAreRefused) {
  const HostPtr on = host();
  const auto other = store_->add_host({"other", "127.0.0.1", 2, ""});
  ASSERT_TRUE(store_->hear(on->id));
  ASSERT_TRUE(store_->mark_set_back((*other)->id, "it knows more"));
  EXPECT_EQ(store_->remove_host({on->id}).error().reason, "read-only");
}

TEST_P(StoreTest, AfterAProofEachHostIsAwaitedThatWasNotHeardYet) {
  const HostPtr on = host();
  const auto add = [&](const char* name) { return (*store_->add_host({name, "127.0.0.1", 2, ""}))->id; };
  const std::string heard = add("heard");
  const std::string back = add("back");
  const std::string gone = add("gone");
  const VmPtr made = running("web", *store_->hosts().begin());
  ASSERT_TRUE(store_->hear(heard));
  ASSERT_TRUE(store_->mark_set_back(on->id, "it knows more"));
  Adoption adoption;
  adoption.host_id = on->id;
  adoption.above_term = store_->activation().term;
  ASSERT_TRUE(store_->adopt(adoption));
  for (int round = 0; round < 2; ++round) {
    const std::string why = store_->read_only();
    EXPECT_NE(why.find("hosts back (" + back + "), gone (" + gone + ")"), std::string::npos) << why;
    EXPECT_NE(why.find("DELETE /hosts/{id}?forget=true"), std::string::npos) << why;
    EXPECT_EQ(store_->begin_job(job(made, Action::pause)).error().reason, "read-only");
    EXPECT_EQ(store_->host(back)->needs_adopt, "awaited") << "a mark, which later servers read, and no prose";
    open();  // which forgets nothing of it, and awaits no other
  }
  ASSERT_TRUE(store_->hear(back));
  EXPECT_EQ(store_->read_only().find(back), std::string::npos) << store_->read_only();
  ASSERT_TRUE(store_->remove_host({gone, std::nullopt, true}));
  EXPECT_EQ(store_->read_only(), "");
  open();
  EXPECT_EQ(store_->read_only(), "");
}

TEST_P(StoreTest, OnlyAHostThatIsWaitedForMovesAfterAProof) {
  const HostPtr on = host();
  const std::string awaited = (*store_->add_host({"awaited", "127.0.0.1", 2, ""}))->id;
  const std::string heard = (*store_->add_host({"heard", "127.0.0.1", 3, ""}))->id;
  ASSERT_TRUE(store_->hear(heard));
  ASSERT_TRUE(store_->mark_set_back(on->id, "it knows more"));
  const auto moved = [&](const std::string& id, std::int64_t port) {
    return store_->edit_host({id, std::nullopt, [port](HostRecord& one) -> Status {
                                one.port = port;
                                return Ok{};
                              }});
  };
  ASSERT_TRUE(moved(on->id, 11));
  ASSERT_TRUE(moved(awaited, 12));
  EXPECT_EQ(moved(heard, 13).error().reason, "read-only");
  open();
  EXPECT_EQ(store_->host(on->id)->port, 11);
  EXPECT_EQ(store_->host(awaited)->port, 12);
  EXPECT_EQ(store_->host(heard)->port, 3);
  EXPECT_FALSE(store_->host(on->id)->needs_adopt.empty());
  EXPECT_TRUE(is_awaited(*store_->host(awaited))) << "it is waited for there";
  EXPECT_NE(store_->read_only().find("PATCH /hosts/{id}"), std::string::npos) << store_->read_only();
}

TEST_P(StoreTest, AnAwaitedHostMayProveTheSame) {
  const HostPtr on = host();
  const std::string late = (*store_->add_host({"late", "127.0.0.1", 2, ""}))->id;
  ASSERT_TRUE(store_->mark_set_back(on->id, "it knows more"));
  ASSERT_TRUE(store_->mark_set_back(late, "so does it"));
  ASSERT_TRUE(store_->hear(late));
  ASSERT_TRUE(store_->remove_host({on->id}));
  open();
  EXPECT_NE(store_->read_only().find("so does it"), std::string::npos) << store_->read_only();
}

// The edit keeps the database busy until both have been asked for, so that they would share a transaction.
TEST_P(StoreTest, AnAdoptAndTheRemovalOfItsHostComeOneAfterTheOther) {
  const VmPtr busy = vm("busy");
  for (int round = 0; round < 20; ++round) {
    const auto on = store_->add_host({"h" + std::to_string(round), "127.0.0.1", 2, ""});
    ASSERT_TRUE(on);
    VmRecord found;
    found.id = core::new_uuid();
    found.name = "found" + std::to_string(round);
    found.host_id = (*on)->id;
    Adoption adoption;
    adoption.host_id = (*on)->id;
    adoption.vms = {found};
    std::atomic<int> asked{0};
    auto edit = std::async(std::launch::async, [&] {
      return store_->edit_vm({busy->id, std::nullopt, [&](VmRecord&) -> Status {
                                while (asked < 2) std::this_thread::yield();
                                return Ok{};
                              }});
    });
    auto removal = std::async(std::launch::async, [&] {
      ++asked;
      return store_->remove_host({(*on)->id});
    });
    auto adopt = std::async(std::launch::async, [&] {
      while (asked < 1) std::this_thread::yield();
      ++asked;
      return store_->adopt(adoption);
    });
    const auto adopted = adopt.get();
    const Status removed = removal.get();
    EXPECT_TRUE(edit.get());
    EXPECT_NE(adopted.ok(), removed.ok());
    if (!adopted) {
      EXPECT_EQ(adopted.error().reason, "host-not-found") << adopted.error().message;
    }
    if (!removed) {
      EXPECT_EQ(removed.error().reason, "host-in-use") << removed.error().message;
    }
  }
}

TEST_P(StoreTest, TwoAdoptsAtOneMomentBeginATermEach) {
  const VmPtr busy = vm("busy");
  const std::int64_t before = store_->activation().term;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::string> hosts;
    for (const char* name : {"a", "b"}) {
      const auto on = store_->add_host({name + std::to_string(round), "127.0.0.1", 2, ""});
      ASSERT_TRUE(on);
      hosts.push_back((*on)->id);
    }
    std::atomic<int> asked{0};
    auto edit = std::async(std::launch::async, [&] {
      return store_->edit_vm({busy->id, std::nullopt, [&](VmRecord&) -> Status {
                                while (asked < 2) std::this_thread::yield();
                                return Ok{};
                              }});
    });
    const auto adopt = [&](const std::string& id) {
      Adoption adoption;
      adoption.host_id = id;
      adoption.above_term = 0;
      ++asked;
      return store_->adopt(adoption);
    };
    auto one = std::async(std::launch::async, adopt, hosts[0]);
    auto other = std::async(std::launch::async, adopt, hosts[1]);
    const auto first = one.get();
    const auto second = other.get();
    EXPECT_TRUE(edit.get());
    EXPECT_TRUE(first) << first.error().message;
    EXPECT_TRUE(second) << second.error().message;
  }
  EXPECT_EQ(store_->activation().term, before + 20);
}

TEST_P(StoreTest, OnlyNewerReportsOfTheRightHostAndIncarnationCount) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  EXPECT_EQ(store_->apply_report("another host", report(made, VmState::shutdown, 9)), nullptr);
  EXPECT_EQ(store_->apply_report(on->id, report(made, VmState::shutdown, 1)), nullptr) << "as old as the last";
  auto old = report(made, VmState::shutdown, 9);
  old.incarnation = 7;
  EXPECT_EQ(store_->apply_report(on->id, old), nullptr);
  EXPECT_TRUE(store_->apply_report(on->id, report(made, VmState::paused, 2)));
  EXPECT_TRUE(store_->apply_report(on->id, report(made, VmState::running, 1, "s2"))) << "a new session starts anew";
}

TEST_P(StoreTest, AGuestsPowerOffIsItsWishACrashIsNot) {
  const HostPtr on = host();
  const VmPtr crashed = running("crash", on);
  auto dead = report(crashed, VmState::shutdown, 2);
  dead.status.exit = ExitInfo{ExitKind::signaled, 0, 9, "", ""};
  EXPECT_EQ(store_->apply_report(on->id, dead)->desired.state, VmState::running);
  const VmPtr off = running("off", on);
  auto ended = report(off, VmState::shutdown, 2);
  ended.status.exit = ExitInfo{ExitKind::exited, 0, 0, "", ""};
  const VmPtr after = store_->apply_report(on->id, ended);
  EXPECT_EQ(after->desired.state, VmState::shutdown);
  EXPECT_EQ(after->desired.origin, Origin::guest);
  EXPECT_TRUE(store_->reservations().empty());
}

TEST_P(StoreTest, APowerOffDuringAnotherJobIsTheGuestsWishToo) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  const auto pause = store_->begin_job(job(made, core::Action::pause));
  ASSERT_TRUE(pause) << pause.error().message;
  auto off = report(made, VmState::shutdown, 2);
  off.status.exit = ExitInfo{ExitKind::exited, 0, 0, "", ""};
  ASSERT_TRUE(store_->apply_report(on->id, off));
  const VmPtr after = store_->finish_job(pause->job.id, JobState::failed, std::nullopt,
                                         make_error(Code::unavailable, "it is gone", "vmm-failed"));
  EXPECT_EQ(after->desired.state, VmState::shutdown);
  EXPECT_EQ(after->desired.origin, Origin::guest);
}

TEST_P(StoreTest, APowerOffThatIsSeenBeforeItsStartHasEndedIsTheGuestsWishToo) {
  const HostPtr on = host();
  for (const JobState state : {JobState::completed, JobState::failed}) {
    const VmPtr made = vm(state == JobState::completed ? "started" : "failed");
    const auto begun = start(made, on);
    auto off = report(made, VmState::shutdown, 2);
    off.status.exit = ExitInfo{ExitKind::exited, 0, 0, "", ""};
    ASSERT_TRUE(store_->apply_report(on->id, off)) << "the reply to the start comes later";
    std::optional<Error> error;
    if (state == JobState::failed) error = make_error(Code::unavailable, "it is gone", "vmm-failed");
    const VmPtr after = store_->finish_job(begun.job.id, state, report(made, VmState::running, 1), error);
    EXPECT_EQ(after->observed.status.state, VmState::shutdown);
    EXPECT_EQ(after->desired.origin, state == JobState::completed ? Origin::guest : Origin::user);
    EXPECT_FALSE(drifts(*after));
  }
}

TEST_P(StoreTest, RestartsThatCountNoMoreAreForgottenForGood) {
  const HostPtr on = host();
  const VmPtr web = *store_->create_vm({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::always, 2, 0}});
  const auto begun = start(web, on);
  ASSERT_TRUE(store_->finish_job(begun.job.id, JobState::completed, report(web, VmState::shutdown, 1)));
  BeginJob again = job(web, core::Action::start);
  again.placement = Placement{on->id, "qemu", 100, 1000};
  again.origin = Origin::policy;
  const auto restart = store_->begin_job(again);
  ASSERT_TRUE(restart) << restart.error().message;
  ASSERT_TRUE(store_->finish_job(restart->job.id, JobState::completed, report(web, VmState::running, 2)));
  EXPECT_EQ(store_->vm(web->id)->restart.count, 1);
  store_->forget_restarts(web->id, 1);
  EXPECT_EQ(store_->vm(web->id)->restart.count, 1) << "it was another incarnation that ran for long";
  store_->forget_restarts(web->id, 2);
  EXPECT_EQ(store_->vm(web->id)->restart.count, 0);
  store_->flush();
  open();
  EXPECT_EQ(store_->vm(web->id)->restart.count, 0);
  EXPECT_EQ(store_->vm(web->id)->restart.policy, RestartPolicy::always);
}

TEST_P(StoreTest, ALostHostMakesUnknownAndItsNextWordCounts) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  const VmPtr idle = vm("idle");
  const auto reserved = [&](std::int64_t memory) {
    std::int64_t sum = 0;
    for (const Reservation& one : store_->reservations()) sum += one.vm_id == made->id ? one.memory : 0;
    EXPECT_EQ(sum, memory);
  };
  store_->lose_host(on->id, "cut");
  EXPECT_EQ(store_->vm(made->id)->observed.status.state, VmState::unknown);
  EXPECT_EQ(store_->vm(idle->id)->observed.status.state, VmState::created);
  reserved(100);  // the VM may still run there
  EXPECT_TRUE(store_->apply_report(on->id, report(made, VmState::running, 1)))
      << "the same report again, from the snapshot";
  EXPECT_EQ(store_->vm(made->id)->observed.status.state, VmState::running);
  store_->missing_from_snapshot(on->id, {});
  EXPECT_EQ(store_->vm(made->id)->observed.status.state, VmState::unknown) << "absence proves nothing";
  reserved(100);
  open();
  reserved(100);  // a restart of the server doesn't free it either
  store_->apply_report(on->id, report(made, VmState::shutdown, 2));
  reserved(0);
  open();
  reserved(0);
}

TEST_P(StoreTest, AVmWhoseReportIsUnreadIsUnknownAndTheNextOneCounts) {
  const HostPtr on = host();
  const VmPtr web = running("web", on);
  const VmPtr beside = running("beside", on);
  const VmPtr ended = running("ended", on);
  store_->apply_report(on->id, report(ended, VmState::shutdown, 2));
  store_->lose_vm("another host", web->id, "unread");
  EXPECT_EQ(store_->vm(web->id)->observed.status.state, VmState::running);
  for (const VmPtr& one : {web, ended}) store_->lose_vm(on->id, one->id, "unread");
  EXPECT_EQ(store_->vm(web->id)->observed.status.state, VmState::unknown);
  EXPECT_EQ(store_->vm(web->id)->observed.status.status_reason, "unread");
  EXPECT_EQ(store_->vm(beside->id)->observed.status.state, VmState::running);
  EXPECT_EQ(store_->vm(ended->id)->observed.status.state, VmState::shutdown) << "only a start ends that";
  EXPECT_TRUE(store_->apply_report(on->id, report(web, VmState::running, 1)));
  EXPECT_EQ(store_->vm(web->id)->observed.status.status_reason, "");
}

// The node's folder was copied back from a backup.
TEST_P(StoreTest, ANodeThatKnowsOnlyAnEarlierStartIsToldAsTheReason) {
  const HostPtr on = host();
  const VmPtr web = running("web", on);
  core::VmReport earlier = report(web, VmState::shutdown, 1);
  store_->apply_report(on->id, report(web, VmState::shutdown, 2));
  const auto again = start(web, on);
  store_->finish_job(again.job.id, JobState::completed, report(web, VmState::running, 3));
  store_->lose_host(on->id, "its node h1 can't be reached: cut");
  earlier.session = "s2";
  earlier.revision = again.job.revision - 1;
  EXPECT_EQ(store_->apply_report(on->id, earlier), nullptr);
  const VmPtr now = store_->vm(web->id);
  EXPECT_EQ(now->observed.status.state, VmState::unknown);
  EXPECT_EQ(now->observed.status.status_reason.find("its node knows only start 1 of it"), 0u)
      << now->observed.status.status_reason;
  EXPECT_EQ(store_->reservations().size(), 1u) << "the later start may still run";
}

// The refusal was on its way while the link to its node broke.
TEST_P(StoreTest, AStartThatIsRefusedWhileItsHostIsDownLeavesTheVmAsItWas) {
  const HostPtr on = host();
  core::NodeInfo node;
  node.session = "s1";
  store_->update_host(on->id, HostStatus::up, "", node);
  const VmPtr ended = running("web", on);
  store_->apply_report(on->id, report(ended, VmState::shutdown, 2));
  const VmPtr fresh = vm("fresh");
  core::VmReport refused = report(ended, VmState::shutdown, 2);
  core::VmReport missing;
  missing.vm = fresh->id;
  missing.missing = true;
  missing.session = "s1";
  missing.seq = 3;
  const auto again = start(ended, on);
  const auto first = start(fresh, on);
  store_->update_host(on->id, HostStatus::down, "cut", std::nullopt);
  store_->lose_host(on->id, "cut");
  ASSERT_EQ(store_->vm(ended->id)->observed.status.state, VmState::unknown);
  ASSERT_EQ(store_->vm(fresh->id)->observed.status.state, VmState::unknown);
  EXPECT_EQ(store_->finish_job(again.job.id, JobState::failed, refused)->observed.status.state, VmState::shutdown);
  EXPECT_EQ(store_->finish_job(first.job.id, JobState::failed, missing)->observed.status.state, VmState::created);
  EXPECT_TRUE(store_->reservations().empty());
  store_->missing_from_snapshot(on->id, {ended->id});
  EXPECT_EQ(store_->vm(fresh->id)->observed.status.state, VmState::created);
  store_->flush();
  open();
  EXPECT_EQ(store_->vm(ended->id)->observed.status.state, VmState::shutdown);
  EXPECT_EQ(store_->vm(fresh->id)->observed.status.state, VmState::created);
}

TEST_P(StoreTest, AVmThatWasAdoptedUnseenWantsToBeWhatItIsFoundToBe) {
  const HostPtr on = host();
  const std::string id = adopted_unseen("web", on)->id;
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::unknown);
  ASSERT_TRUE(store_->apply_report(on->id, report(store_->vm(id), VmState::running, 5)));
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::running);
  open();
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::running) << "written, too";
}

TEST_P(StoreTest, WhatAnAdoptedVmIsFoundToBeAtTheEndOfAJobIsWantedToo) {
  const HostPtr on = host();
  const VmPtr adopted = adopted_unseen("web", on);
  const auto begun = store_->begin_job(job(adopted, core::Action::resize));
  ASSERT_TRUE(begun) << begun.error().message;
  const auto seen = report(adopted, VmState::running, 5);
  ASSERT_TRUE(store_->apply_report(on->id, seen));
  EXPECT_EQ(store_->vm(adopted->id)->desired.state, VmState::unknown) << "the job may mean something else";
  store_->finish_job(begun->job.id, JobState::failed, seen);
  EXPECT_EQ(store_->vm(adopted->id)->desired.state, VmState::running);
}

TEST_P(StoreTest, ARestartedServerKnowsNothingOfWhatRan) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  open();
  EXPECT_EQ(store_->vm(made->id)->observed.status.state, VmState::unknown);
  EXPECT_TRUE(store_->apply_report(on->id, report(made, VmState::running, 1)));
}

TEST_P(StoreTest, ATombstoneOutlivesTheVm) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  ASSERT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  EXPECT_FALSE(store_->vm(made->id));
  open();
  ASSERT_EQ(store_->tombstones(on->id).size(), 1u);
  EXPECT_GT(store_->tombstones(on->id)[0].revision, made->revision);
  const std::int64_t higher = store_->tombstones(on->id)[0].revision + 5;
  ASSERT_TRUE(store_->raise_tombstone(made->id, higher));
  ASSERT_TRUE(store_->raise_tombstone(made->id, higher - 1));
  EXPECT_EQ(store_->tombstones(on->id)[0].revision, higher);
  open();
  EXPECT_EQ(store_->tombstones(on->id)[0].revision, higher);
  ASSERT_TRUE(store_->drop_tombstone(made->id));
  EXPECT_TRUE(store_->tombstones(on->id).empty());
}

TEST_P(StoreTest, AForgottenVmsMemoryIsFreeOnceItsNodeHasConfirmedTheEnd) {
  const HostPtr on = host();
  const VmPtr made = running("web", on);
  const VmPtr ended = running("ended", on);
  store_->apply_report(on->id, report(ended, VmState::shutdown, 2));
  ASSERT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  ASSERT_TRUE(store_->remove_vm(ended->id, Removal::with_tombstone));
  BeginJob large = job(vm("large"), Action::start);
  large.placement = Placement{on->id, "qemu", 950, 1000};
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(store_->reservations().size(), 1u) << "of the one that may still run";
    EXPECT_EQ(store_->reservations()[0].host_id, on->id);
    EXPECT_EQ(store_->reservations()[0].memory, 100);
    EXPECT_EQ(store_->begin_job(large).error().reason, "no-host-fits");
    open();
  }
  ASSERT_TRUE(store_->drop_tombstone(ended->id));
  EXPECT_EQ(store_->reservations().size(), 1u);
  ASSERT_TRUE(store_->drop_tombstone(made->id));
  EXPECT_TRUE(store_->reservations().empty());
  open();
  EXPECT_TRUE(store_->reservations().empty());
  EXPECT_TRUE(store_->begin_job(large));
}

// A copied node folder brings the forgotten VM back on another host, under its id.
TEST_P(StoreTest, AForgottenVmsMemoryCountsWhereItRanAlsoWhenItIsAdoptedElsewhere) {
  const HostPtr on = host();
  const HostPtr other = *store_->add_host({"h2", "127.0.0.1", 2, ""});
  const VmPtr made = running("web", on);
  ASSERT_TRUE(store_->remove_vm(made->id, Removal::with_tombstone));
  Adoption adoption;
  adoption.host_id = other->id;
  VmRecord found = *made;
  found.host_id = other->id;
  adoption.vms = {found};
  adoption.memory[made->id] = 70;
  ASSERT_TRUE(store_->adopt(adoption));
  const auto counted = [&](const HostPtr& where) {
    std::int64_t sum = 0;
    for (const Reservation& one : store_->reservations())
      if (one.host_id == where->id) sum += one.memory;
    return sum;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(counted(on), 100);
    EXPECT_EQ(counted(other), 70);
    open();
  }
  ASSERT_TRUE(store_->drop_tombstone(made->id));
  EXPECT_EQ(counted(on), 0);
  EXPECT_EQ(counted(other), 70);
}

TEST_P(StoreTest, ADatabaseThatWasSetBackChangesNothingUntilItsHostIsAdopted) {
  const HostPtr on = host();
  const VmPtr web = running("web", on);
  const Activation before = store_->activation();
  ASSERT_TRUE(store_->mark_set_back(on->id, "its node has seen more"));
  for (int round = 0; round < 2; ++round) {
    const auto refused = store_->create_vm({"other", std::nullopt, "", std::nullopt, {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "read-only");
    EXPECT_NE(refused.error().message.find("its node has seen more"), std::string::npos);
    EXPECT_EQ(store_->remove_vm(web->id, Removal::by_job).error().reason, "read-only");
    EXPECT_EQ(store_->begin_job(job(web, Action::pause)).error().reason, "read-only");
    EXPECT_FALSE(store_->check());
    EXPECT_TRUE(store_->pin_node(on->id, "n1"));
    open();
  }
  EXPECT_TRUE(*store_->knows_activation(before.id));
  EXPECT_FALSE(*store_->knows_activation(core::new_uuid()));

  Adoption adoption;
  adoption.host_id = on->id;
  adoption.above_term = 50;
  VmRecord raised = *store_->vm(web->id);
  adoption.records[web->id] = {raised.revision, raised.edition};
  raised.name = "renamed";
  raised.revision = 9;
  raised.incarnation = 4;
  VmRecord fresh;
  fresh.id = core::new_uuid();
  fresh.name = "fresh";
  fresh.host_id = on->id;
  fresh.incarnation = 2;
  adoption.vms = {raised, fresh};
  adoption.memory[fresh.id] = 77;
  adoption.records[fresh.id] = {1, 1};
  EXPECT_EQ(store_->adopt(adoption).error().reason, "plan-changed");
  EXPECT_EQ(store_->vm(web->id)->name, "web") << "nothing of it was done";
  adoption.records.erase(fresh.id);
  ASSERT_TRUE(store_->adopt(adoption));
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(store_->read_only().empty());
    EXPECT_EQ(store_->activation().term, 51 + round);
    EXPECT_EQ(store_->vm(web->id)->name, "renamed");
    EXPECT_EQ(store_->vm(web->id)->revision, 9);
    EXPECT_EQ(store_->vm(web->id)->incarnation, 4);
    EXPECT_EQ(store_->vm(fresh.id)->incarnation, 2);
    EXPECT_EQ(store_->reservations().size(), 2u);
    EXPECT_TRUE(store_->create_vm({"vm" + std::to_string(round), std::nullopt, "", std::nullopt, {}}));
    open();
  }
}

TEST_P(StoreTest, EachActivationTellsWhereItsChangesEnded) {
  const Progress begun = store_->progress();
  EXPECT_EQ(begun.activation.id, store_->activation().id);
  EXPECT_EQ(*store_->end_of_activation(begun.activation.id), std::nullopt) << "it goes on";
  EXPECT_EQ(*store_->end_of_activation(core::new_uuid()), std::nullopt);
  const HostPtr on = host();
  vm("web");
  const Progress made = store_->progress();
  EXPECT_EQ(made.position, begun.position + 2) << "each acknowledged change counts";
  // An adopt while the server runs, with events of its own.
  Adoption adoption;
  adoption.host_id = on->id;
  adoption.above_term = 5;
  VmRecord fresh;
  fresh.id = core::new_uuid();
  fresh.name = "fresh";
  fresh.host_id = on->id;
  adoption.vms = {fresh};
  ASSERT_TRUE(store_->adopt(adoption));
  EXPECT_EQ(**store_->end_of_activation(begun.activation.id), made.position);
  const Progress adopted = store_->progress();
  EXPECT_EQ(adopted.activation.term, 6);
  EXPECT_GT(adopted.position, made.position) << "its numbers are the next one's";
  open();
  EXPECT_EQ(**store_->end_of_activation(begun.activation.id), made.position) << "and not that of any later one";
  EXPECT_GE(**store_->end_of_activation(adopted.activation.id), adopted.position);
  // An older server doesn't record its position; the end of its predecessor is known by the server after it.
  const std::string mine = store_->activation().id;
  vm("other");
  const std::int64_t last = store_->progress().position;
  store_.reset();
  database_->execute("INSERT INTO activations (term, id, at) SELECT term + 1, 'older', '' FROM cluster");
  database_->execute("UPDATE cluster SET term = term + 1");
  open();
  EXPECT_GE(**store_->end_of_activation(mine), last);
  EXPECT_GE(**store_->end_of_activation("older"), last);
}

TEST_P(StoreTest, WhatANodeIsToKeepIsCountedAndTheCountIsDurable) {
  const HostPtr on = host();
  const VmPtr web = vm("web");
  EXPECT_EQ(web->edition, 1);
  const auto edited = store_->edit_vm({web->id, std::nullopt, [](VmRecord& one) -> Status {
                                         one.tags = {"prod"};
                                         return Ok{};
                                       }});
  ASSERT_TRUE(edited);
  EXPECT_EQ((*edited)->edition, 2);
  ASSERT_TRUE(store_->resize_idle(web->id, {2, std::nullopt}, (*edited)->revision));
  EXPECT_EQ(store_->vm(web->id)->edition, 3);
  const auto begun = start(web, on);
  EXPECT_EQ(begun.vm->edition, 4) << "before its node hears of it";
  core::VmReport said = report(web, VmState::running, 1);
  said.keep_edition = 4;
  store_->finish_job(begun.job.id, JobState::completed, said);
  ASSERT_TRUE(store_->begin_job(job(web, Action::pause)));
  open();
  EXPECT_EQ(store_->vm(web->id)->edition, 4) << "a pause changes no word";
  EXPECT_EQ(store_->vm(web->id)->observed.keep_edition, 4);
  // An older server that ran in between doesn't increment the edition.
  store_.reset();
  database_->execute("UPDATE vms SET edition = 0");
  open();
  ASSERT_TRUE(store_->edit_vm({web->id, std::nullopt, [](VmRecord&) -> Status { return Ok{}; }}));
  EXPECT_EQ(store_->vm(web->id)->edition, 5) << "above what its node has";
}

TEST_P(StoreTest, AnAdoptBringsSnapshotsBackAndIsRefusedForWordsThatChangedMeanwhile) {
  const HostPtr on = host();
  const VmPtr web = vm("web");
  Adoption adoption;
  adoption.host_id = on->id;
  VmRecord raised = *web;
  raised.host_id = on->id;
  raised.edition = 8;
  adoption.vms = {raised};
  adoption.records[web->id] = {web->revision, web->edition};
  SnapshotRecord snapshot;
  snapshot.id = core::new_uuid();
  snapshot.vm_id = web->id;
  snapshot.name = "before";
  snapshot.status = SnapshotStatus::ready;
  snapshot.size = 7;
  adoption.snapshots = {snapshot};
  ASSERT_TRUE(store_->edit_vm({web->id, std::nullopt, [](VmRecord& one) -> Status {
                                 one.description = "meanwhile";
                                 return Ok{};
                               }}));
  EXPECT_EQ(store_->adopt(adoption).error().reason, "plan-changed");
  EXPECT_TRUE(store_->snapshots(web->id).empty());
  adoption.records[web->id].edition = store_->vm(web->id)->edition;
  ASSERT_TRUE(store_->adopt(adoption));
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(store_->snapshots(web->id).size(), 1u);
    EXPECT_EQ(store_->snapshots(web->id)[0]->status, SnapshotStatus::ready);
    EXPECT_EQ(store_->snapshots(web->id)[0]->size, 7);
    EXPECT_EQ(store_->vm(web->id)->edition, 8);
    open();
  }
  const std::string unfinished = start(store_->vm(web->id), on).job.id;
  Adoption forget;
  forget.host_id = on->id;
  forget.forgotten = {web->id};
  ASSERT_TRUE(store_->adopt(forget));
  EXPECT_EQ(store_->snapshot(snapshot.id), nullptr);
  EXPECT_EQ(store_->job_book().find(unfinished)->state, JobState::failed);
  open();
  const JobPtr job = *store_->job(unfinished);
  ASSERT_TRUE(job->error) << "the reason is kept with it";
  EXPECT_EQ(job->error->reason, "superseded");
}

TEST_P(StoreTest, WhatEndsIsRestartedOnlyAsLongAsItIsWanted) {
  const HostPtr on = host();
  const VmPtr web = *store_->create_vm({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::always, 2, 0}});
  const auto begun = start(web, on);
  store_->finish_job(begun.job.id, JobState::completed, report(web, VmState::running, 1));
  store_->apply_report(on->id, report(web, VmState::shutdown, 2));
  BeginJob again = job(web, Action::start);
  again.placement = Placement{on->id, "qemu", 100, 1000};
  again.origin = Origin::policy;
  ASSERT_TRUE(store_->set_desired(web->id, core::Action::stop));
  EXPECT_EQ(store_->begin_job(again).error().reason, "changed") << "somebody stopped it, without a job";
  store_->apply_report(on->id, report(web, VmState::running, 3));
  ASSERT_TRUE(store_->set_desired(web->id, core::Action::start)) << "it runs";
  store_->apply_report(on->id, report(web, VmState::shutdown, 4));
  ASSERT_TRUE(store_->begin_job(again));
  EXPECT_EQ(store_->begin_job(again).error().reason, "job-in-progress") << "one end, one start";
  open();
  EXPECT_EQ(store_->vm(web->id)->restart.count, 1);
  EXPECT_EQ(store_->vm(web->id)->restart.policy, RestartPolicy::always);
  EXPECT_EQ(store_->vm(web->id)->desired.origin, Origin::policy);
  EXPECT_FALSE(store_->vm(web->id)->observed.unknown_since.empty());
}

}  // namespace
}  // namespace qarax::server
