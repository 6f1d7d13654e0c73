// Adopts after a lost database, another node at a host's address, and VMs that only a node knows.
#include <future>

#include "adopter_fixture.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

using core::Action;

TEST_F(AdopterTest, AnEmptyDatabaseGetsSizesAndSnapshotsBackToo) {
  const std::string web = started("web");
  const std::string snapshot = core::new_uuid();
  ActOptions options;
  options.arguments.snapshot = snapshot;
  options.arguments.name = "before";
  ASSERT_TRUE(orchestrator_->act(web, Action::snapshot, options));
  ASSERT_TRUE(orchestrator_->act(web, Action::force_stop, {}));
  edit(web, R"({"memory_size":805306368,"boot_vcpus":3,"max_vcpus":3})");
  const VmPtr before = store_->vm(web);
  wait_until_kept(web);
  lose();
  const auto plan = adopted(host_);
  EXPECT_EQ(line(plan, web)->note, "1 snapshot comes back");
  settle(web, VmState::shutdown);
  const VmPtr after = store_->vm(web);
  EXPECT_EQ(encode(after->spec, Defaults::write), encode(before->spec, Defaults::write));
  EXPECT_EQ(after->edition, before->edition);
  ASSERT_EQ(store_->snapshots(web).size(), 1u);
  EXPECT_EQ(store_->snapshots(web)[0]->id, snapshot);
  EXPECT_EQ(store_->snapshots(web)[0]->name, "before");
  EXPECT_EQ(store_->snapshots(web)[0]->status, SnapshotStatus::ready);
  EXPECT_EQ(store_->snapshots(web)[0]->size, 4096);
  ASSERT_TRUE(orchestrator_->act(web, Action::start, {}));
  EXPECT_EQ(node_.survey({}).vms.at(0).spec.memory_size, 805306368);
}

TEST_F(AdopterTest, AnEmptyDatabaseGetsItsVmsBack) {
  const std::string web = started("web", "words");
  const std::string off = started("off");
  ASSERT_TRUE(orchestrator_->act(off, Action::force_stop, {}));
  close();
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file() + suffix);
  open();
  host_ = register_host();
  const auto refused = try_connect();
  ASSERT_FALSE(refused);
  EXPECT_NE(store_->host(host_)->status_reason.find("belongs to cluster"), std::string::npos);
  EXPECT_TRUE(store_->read_only().empty()) << "an empty database isn't an old one";
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->vms.size(), 2u);
  ASSERT_TRUE(adopt(plan->plan));
  settle(web, VmState::running);
  settle(off, VmState::shutdown);
  EXPECT_EQ(store_->vm(web)->description, "words");
  EXPECT_EQ(store_->vm(off)->desired.state, VmState::shutdown);
  ASSERT_TRUE(orchestrator_->act(off, Action::start, {}));
  EXPECT_EQ(store_->vm(off)->incarnation, 2) << "counted on, not anew";
}

TEST_F(AdopterTest, ACrashAfterThePlanIsNotTakenForAWish) {
  const std::string web = started("web");
  const std::string off = started("off");
  ASSERT_TRUE(orchestrator_->act(off, Action::force_stop, {}));
  lose();
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(line(*plan, web)->status, VmState::running);
  EXPECT_EQ(adopter_->plan(host_)->plan, plan->plan) << "while nothing happens it is the same";
  node_.set_state(web, VmState::shutdown);
  EXPECT_EQ(adopt(plan->plan).error().reason, "plan-changed");
  EXPECT_FALSE(store_->vm(web)) << "nothing was done";
  node_.set_state(web, VmState::running);
  ASSERT_TRUE(adopt(plan->plan));
  EXPECT_EQ(store_->vm(web)->desired.state, VmState::running);
  EXPECT_EQ(store_->vm(off)->desired.state, VmState::shutdown);
}

TEST_F(AdopterTest, WordsThatTheNodeIsToldAfterThePlanAreNotAdoptedUnseen) {
  const std::string web = started("web", "first");
  keep();
  edit(web, R"({"description":"second"})");
  wait_until_kept(web);
  const std::int64_t edition = store_->vm(web)->edition;
  wait_until_told();
  set_back();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  // As another server does whose database wasn't set back.
  node_.keep(web, "web", RawJson{R"({"description":"third"})"}, edition + 1);
  const auto other = adopter_->plan(host_);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(line(*other, web)->note, line(*plan, web)->note) << "it says which members, not what they are";
  EXPECT_EQ(adopt(plan->plan).error().reason, "plan-changed");
  EXPECT_EQ(store_->vm(web)->description, "first");
  ASSERT_TRUE(adopt(other->plan));
  EXPECT_EQ(store_->vm(web)->description, "third");
}

TEST_F(AdopterTest, WhatTheNodeHasDeletedIsForgotten) {
  const std::string id = started("web");
  keep();
  ASSERT_TRUE(orchestrator_->remove(id, false, {}));
  set_back();
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(line(*plan, id)->action, api::AdoptAction::forget);
  ASSERT_TRUE(adopt(plan->plan));
  EXPECT_EQ(store_->vm(id), nullptr);
}

TEST_F(AdopterTest, AVmThatWasForgottenBeforeTheBackupIsDeletedAfterTheAdopt) {
  const std::string id = started("web");
  server_.stop();
  wait_until(*store_, "the host isn't up any more", [&] { return store_->host(host_)->status != HostStatus::up; });
  ASSERT_TRUE(orchestrator_->remove(id, true, {}));
  const std::int64_t below = store_->tombstones(host_)[0].revision;
  // Another server, whose database is lost, has commanded the node since then.
  node_.raise_revision(id, below + 10);
  node_.obey({core::new_uuid(), 7, core::new_uuid()});
  server_.start();
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(line(*plan, id)->action, api::AdoptAction::leave);
  ASSERT_TRUE(adopt(plan->plan));
  wait_until("the tombstone is gone", [&] { return store_->tombstones(host_).empty(); });
  EXPECT_FALSE(node_.vms().contains(id));
}

TEST_F(AdopterTest, AVmThatOnlyTheNodeKnowsIsListedAndTouchedByNobody) {
  const std::string keepable = started("web");
  const std::string other = started("other");
  // As after a restored node folder: the record is gone, the VM isn't.
  ASSERT_TRUE(store_->remove_vm(keepable, Removal::by_job));
  ASSERT_TRUE(store_->remove_vm(other, Removal::by_job));
  ASSERT_TRUE(orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}}));
  auto listed = adopter_->unmanaged(host_);
  ASSERT_TRUE(listed) << listed.error().message;
  ASSERT_EQ(listed->size(), 2u);
  EXPECT_EQ(node_.vms().at(keepable), VmState::running);

  const auto adopted = adopter_->adopt_vm(host_, keepable);
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ((*adopted)->name, "web-" + keepable.substr(0, 8)) << "its name is another VM's by now";
  EXPECT_EQ((*adopted)->observed.status.state, VmState::running);
  ASSERT_TRUE(orchestrator_->act(keepable, Action::pause, {}));

  ASSERT_TRUE(adopter_->remove_vm(host_, other, *adopter_->revision_to_remove(host_, other), 20'000));
  EXPECT_FALSE(node_.vms().contains(other));
  EXPECT_EQ(adopter_->revision_to_remove(host_, other).error().reason, "vm-not-found");
  listed = adopter_->unmanaged(host_);
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->empty());
}

TEST_F(AdopterTest, AVmThatEndsWhileItIsAdoptedIsShutDown) {
  const std::string id = started("web");
  const std::string other = started("other");
  ASSERT_TRUE(store_->remove_vm(id, Removal::by_job));
  server_.after_survey([&] {
    node_.set_state(id, VmState::shutdown);
    // The node reports this one later, so the server has handled the first report once it knows of this one.
    node_.set_state(other, VmState::paused);
    wait_until(*store_, "the later report is applied",
               [&] { return store_->vm(other)->observed.status.state == VmState::paused; });
  });
  const auto adopted = adopter_->adopt_vm(host_, id);
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ((*adopted)->observed.status.state, VmState::shutdown);
}

TEST_F(AdopterTest, ANodeWithAnotherIdentityIsDownAndItsVmsAreNotShutdown) {
  const std::string id = started("web");
  server_.stop();
  node_.change_identity();
  wait_until(*store_, "the host isn't up any more", [&] { return store_->host(host_)->status != HostStatus::up; });
  server_.start();
  EXPECT_FALSE(try_connect());
  // That attempt may have come before the node listened again.
  wait_until(*store_, "the host says which node is there instead", [&] {
    const HostPtr host = store_->host(host_);
    return host->status_reason.find("not node " + host->node_id) != std::string::npos;
  });
  EXPECT_EQ(store_->host(host_)->status, HostStatus::down);
  EXPECT_EQ(store_->vm(id)->observed.status.state, VmState::unknown);
  EXPECT_EQ(adopter_->plan(host_).error().reason, "other-node");
}

TEST_F(AdopterTest, TheServersEndIsNotKeptWaitingByANodeThatIsSlowToBeAdopted) {
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  node_.hold_adopts();
  auto adopting = std::async(std::launch::async, [&] { return adopt(plan->plan); });
  node_.wait_for_adopt();
  nodes_->stop();
  const auto adopted = adopting.get();
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().code, Code::cancelled) << adopted.error().message;
}

TEST_F(AdopterTest, ALinkIsMadeToWhereItsHostIsByNow) {
  HostPtr read_before;
  const auto move_to = [&](std::int64_t port) {
    const auto moved = store_->edit_host({host_, std::nullopt, [&](HostRecord& host) -> Status {
                                            host.port = port;
                                            return Ok{};
                                          }});
    ASSERT_TRUE(moved) << moved.error().message;
  };
  nodes_->drop(host_);
  move_to(1);
  read_before = store_->host(host_);
  move_to(server_.port());
  nodes_->start(read_before);
  EXPECT_TRUE(nodes_->link(host_)->connect_now(20'000));
  ASSERT_TRUE(store_->remove_host({host_}));
  nodes_->drop(host_);
  nodes_->start(read_before);
  EXPECT_FALSE(nodes_->link(host_)) << "nobody would end it";
}

TEST_F(AdopterTest, OneNodeIsOneHost) {
  const auto second = orchestrator_->add_host({"h2", "127.0.0.1", server_.port(), ""});
  ASSERT_TRUE(second);
  const auto refused = orchestrator_->init_host((*second)->id, 20'000);
  ASSERT_FALSE(refused);
  EXPECT_NE(store_->host((*second)->id)->status_reason.find("is host h1 already"), std::string::npos);
  const auto plan = adopter_->plan((*second)->id);
  ASSERT_FALSE(plan) << "carried out it would take the node from h1";
  EXPECT_EQ(plan.error().reason, "node-taken");
}

}  // namespace
}  // namespace qarax::server
