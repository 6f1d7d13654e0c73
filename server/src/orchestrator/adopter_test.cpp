// A database that was set back or lost, a node that isn't the one it was, VMs that only a node knows: on a real store,
// a fake node and gRPC between them.
#include "adopter.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "fake_node.hpp"
#include "nodes.hpp"
#include "orchestrator.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

namespace fs = std::filesystem;
using core::Action;

class AdopterTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-adopter-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    open();
    host_ = register_host();
    up();
  }
  void TearDown() override {
    close();
    fs::remove_all(dir_);
  }
  std::string file() const { return dir_ + "/qarax.db"; }
  void open() {
    auto opened = open_sqlite(file());
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    nodes_ = std::make_unique<Nodes>(*store_, NodeCredentials{});
    orchestrator_ = std::make_unique<Orchestrator>(*store_, *nodes_);
    orchestrator_->start();
    adopter_ = std::make_unique<Adopter>(*store_, *nodes_);
  }
  void close() {
    adopter_.reset();
    orchestrator_.reset();
    nodes_.reset();
    store_.reset();
  }
  std::string register_host() {
    const auto added = orchestrator_->add_host({"h1", "127.0.0.1", server_.port(), ""});
    EXPECT_TRUE(added) << added.error().message;
    return (*added)->id;
  }
  Result<HostPtr> try_connect() { return orchestrator_->init_host(host_, 20'000); }
  Result<api::AdoptPlan> adopt(const std::string& plan) {
    std::string job;
    return adopter_->adopt(host_, plan, 20'000, job);
  }
  void up() {
    const auto connected = try_connect();
    ASSERT_TRUE(connected) << connected.error().message;
  }
  std::string started(const std::string& name, std::optional<std::string> words = std::nullopt) {
    VmSpec spec;
    spec.memory_size = 256LL << 20;
    const auto made = orchestrator_->create({name, std::move(words), "", std::nullopt, spec});
    EXPECT_TRUE(made) << made.error().message;
    const auto begun = orchestrator_->act((*made)->id, Action::start, {});
    EXPECT_TRUE(begun) << begun.error().message;
    return (*made)->id;
  }
  // The server ends, its database is what it was at `keep()`, and it starts again.
  void keep() {
    close();
    fs::copy(file(), dir_ + "/kept", fs::copy_options::overwrite_existing);
    open();
    up();
  }
  void set_back() {
    close();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file() + suffix);
    fs::copy(dir_ + "/kept", file());
    open();
  }
  static const api::AdoptVm* line(const api::AdoptPlan& plan, const std::string& id) {
    for (const api::AdoptVm& vm : plan.vms)
      if (vm.id == id) return &vm;
    return nullptr;
  }
  void settle(const std::string& id, VmState wanted) const {
    for (;;) {
      const VmPtr now = store_->vm(id);
      if (now && now->job_id.empty() && now->observed.status.state == wanted && !now->observed.session.empty()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  void wait_until_read_only() const {
    while (store_->read_only().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }

  std::string dir_;
  FakeNode node_;
  FakeNodeServer server_{node_};
  std::string host_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Nodes> nodes_;
  std::unique_ptr<Orchestrator> orchestrator_;
  std::unique_ptr<Adopter> adopter_;
};

TEST_F(AdopterTest, ADatabaseThatWasSetBackChangesNothingUntilItsHostIsAdopted) {
  const std::string old = started("old");
  keep();
  const std::string later = started("later", "words");
  ASSERT_TRUE(orchestrator_->act(old, Action::pause, {}));
  const std::int64_t revision = store_->vm(old)->revision;
  const Activation before = store_->activation();
  set_back();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
  EXPECT_EQ(node_.survey({}).obeyed.id, before.id) << "the node isn't taken";
  const auto refused = orchestrator_->create({"new", std::nullopt, "", std::nullopt, {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "read-only");
  EXPECT_NE(refused.error().message.find("/adopt"), std::string::npos);
  EXPECT_EQ(store_->vm(old)->observed.status.state, VmState::unknown);

  close();
  open();
  EXPECT_FALSE(store_->read_only().empty()) << "a restart forgets nothing of it";

  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_FALSE(plan->applied);
  EXPECT_EQ(line(*plan, old)->action, api::AdoptAction::raise);
  EXPECT_EQ(line(*plan, later)->action, api::AdoptAction::create);
  EXPECT_EQ(adopt("another").error().reason, "plan-changed");
  const auto done = adopt(plan->plan);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->applied);
  EXPECT_TRUE(store_->read_only().empty());
  EXPECT_GT(store_->activation().term, before.term);
  settle(old, VmState::paused);
  settle(later, VmState::running);
  EXPECT_EQ(store_->vm(later)->name, "later");
  EXPECT_EQ(store_->vm(later)->description, "words");
  EXPECT_EQ(store_->vm(later)->spec.memory_size, 256LL << 20);
  EXPECT_EQ(store_->vm(old)->revision, revision);
  EXPECT_EQ(store_->reservations().size(), 2u);
  ASSERT_TRUE(orchestrator_->act(old, Action::resume, {}));
  EXPECT_GT(store_->vm(old)->revision, revision);
}

TEST_F(AdopterTest, AServerOfACopiedDatabaseTakesNoNodeThatTheOtherCommandsSince) {
  keep();
  node_.obey({store_->activation().cluster_id, store_->activation().term + 5, core::new_uuid()});
  close();
  open();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
}

TEST_F(AdopterTest, ANodeThatIsBeingAdoptedProvesNothingMeanwhile) {
  keep();
  static_cast<void>(started("later"));
  const Activation before = store_->activation();
  set_back();
  wait_until_read_only();
  // The link asks the node every 20 ms; until it is told, the node goes on obeying the server that was set back.
  ASSERT_TRUE(nodes_->link(host_)->adopt(before, [&]() -> Status {
    Adoption all;
    all.host_id = host_;
    all.above_term = before.term;
    QARAX_CHECK(store_->adopt(all));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return Ok{};
  }));
  nodes_->reconnect_all();
  up();
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
}

TEST_F(AdopterTest, ARevisionThatIsNotKnownHereProvesItToo) {
  const std::string id = started("web");
  node_.raise_revision(id, 9);
  wait_until_read_only();
  EXPECT_NE(store_->read_only().find("revision 9"), std::string::npos) << store_->read_only();
  const auto refused = orchestrator_->act(id, Action::pause, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "read-only");
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(adopt(plan->plan));
  settle(id, VmState::running);
  ASSERT_TRUE(orchestrator_->act(id, Action::pause, {}));
  EXPECT_EQ(store_->vm(id)->revision, 10);
}

TEST_F(AdopterTest, AnEmptyDatabaseGetsItsVmsBack) {
  const std::string web = started("web", "words");
  const std::string off = started("off");
  ASSERT_TRUE(orchestrator_->act(off, Action::force_stop, {}));
  close();
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file() + suffix);
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

  ASSERT_TRUE(adopter_->remove_vm(host_, other, 20'000));
  EXPECT_FALSE(node_.vms().contains(other));
  EXPECT_EQ(adopter_->remove_vm(host_, other, 20'000).error().reason, "vm-not-found");
  listed = adopter_->unmanaged(host_);
  ASSERT_TRUE(listed);
  EXPECT_TRUE(listed->empty());
}

TEST_F(AdopterTest, ANodeWithAnotherIdentityIsDownAndItsVmsAreNotShutdown) {
  const std::string id = started("web");
  server_.stop();
  node_.change_identity();
  server_.start();
  EXPECT_FALSE(try_connect());
  // It may have been asked before it listened again; the test's own time limit is CTest's.
  HostPtr host = store_->host(host_);
  while (host->status_reason.find("not node " + host->node_id) == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    host = store_->host(host_);
  }
  EXPECT_EQ(host->status, HostStatus::down);
  EXPECT_EQ(store_->vm(id)->observed.status.state, VmState::unknown);
  EXPECT_EQ(adopter_->plan(host_).error().reason, "other-node");
}

TEST_F(AdopterTest, OneNodeIsOneHost) {
  const auto second = orchestrator_->add_host({"h2", "127.0.0.1", server_.port(), ""});
  ASSERT_TRUE(second);
  const auto refused = orchestrator_->init_host((*second)->id, 20'000);
  ASSERT_FALSE(refused);
  EXPECT_NE(store_->host((*second)->id)->status_reason.find("is host h1 already"), std::string::npos);
}

}  // namespace
}  // namespace qarax::server
