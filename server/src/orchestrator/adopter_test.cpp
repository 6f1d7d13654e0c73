// A database that was set back or lost, a node that isn't the one it was, VMs that only a node knows: on a real store,
// a fake node and gRPC between them.
#include "adopter.hpp"

#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "editor.hpp"
#include "fake_node.hpp"
#include "keep.hpp"
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
  // A backup under the running server.
  void back_up() const {
    Poco::Data::Session session("SQLite", file());
    session << "VACUUM INTO '" + dir_ + "/kept'", Poco::Data::Keywords::now;
  }
  // Until the node was told of everything that was acknowledged so far.
  void wait_until_told() const {
    const std::int64_t position = store_->progress().position;
    while (node_.position() < position) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void edit(const std::string& id, const std::string& patch) {
    const auto edited = Editor(*store_, *nodes_).edit_vm({id, patch, std::nullopt});
    ASSERT_TRUE(edited) << edited.error().message;
  }
  void wait_until_kept(const std::string& id) const {
    const auto kept = [&] {
      const VmPtr vm = store_->vm(id);
      return vm->observed.keep == core::fingerprint_of_keep(vm->name, RawJson{encode(keep_of(*vm))});
    };
    while (!kept()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void lose() {
    close();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(file() + suffix);
    open();
    host_ = register_host();
    EXPECT_FALSE(try_connect());
  }
  api::AdoptPlan adopted(const std::string& host) {
    const auto plan = adopter_->plan(host);
    EXPECT_TRUE(plan) << plan.error().message;
    std::string job;
    const auto done = adopter_->adopt(host, plan->plan, 20'000, job);
    EXPECT_TRUE(done) << done.error().message;
    return *done;
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

TEST_F(AdopterTest, ABackupOfTheSameActivationIsNoticedByHowFarItsNodeWasTold) {
  const std::string web = started("web");
  const std::string gone = started("gone");
  back_up();
  const std::int64_t epoch = store_->events().last().epoch;
  // Nothing of this is a command with a higher revision.
  edit(web, R"({"tags":["prod"],"description":"later words"})");
  wait_until_kept(web);
  ASSERT_TRUE(orchestrator_->create({"never started", std::nullopt, "", std::nullopt, {}}));
  ASSERT_TRUE(orchestrator_->remove(gone, false, {}));
  wait_until_told();
  set_back();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
  EXPECT_NE(store_->read_only().find("has heard of change"), std::string::npos) << store_->read_only();
  EXPECT_EQ(orchestrator_->create({"new", std::nullopt, "", std::nullopt, {}}).error().reason, "read-only");
  const auto plan = adopted(host_);
  EXPECT_EQ(line(plan, web)->action, api::AdoptAction::raise);
  EXPECT_NE(line(plan, web)->note.find("description, tags"), std::string::npos) << line(plan, web)->note;
  EXPECT_EQ(line(plan, gone)->action, api::AdoptAction::forget);
  EXPECT_TRUE(store_->read_only().empty());
  EXPECT_EQ(store_->vm(web)->tags, std::vector<std::string>{"prod"});
  EXPECT_EQ(store_->vm(web)->description, "later words");
  EXPECT_EQ(store_->vm(gone), nullptr);
  EXPECT_GT(store_->events().last().epoch, epoch) << "numbers that come again are another epoch's";
  settle(web, VmState::running);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(orchestrator_->create({"after" + std::to_string(round), std::nullopt, "", std::nullopt, {}}));
    wait_until_told();
    close();
    open();
    up();
    EXPECT_TRUE(store_->read_only().empty()) << "the latest one isn't an old one: " << store_->read_only();
  }
}

TEST_F(AdopterTest, ABackupWhoseServerWentOnWithoutItsNodeIsNoticedWhenThatIsBack) {
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  const std::int64_t told = node_.position();
  server_.stop();
  set_back();
  // It counts on, and past what was lost, while nobody can say anything against it.
  for (int i = 0; store_->progress().position <= told + 3; ++i)
    ASSERT_TRUE(orchestrator_->create({"vm" + std::to_string(i), std::nullopt, "", std::nullopt, {}}));
  server_.start();
  wait_until_read_only();
  EXPECT_NE(store_->read_only().find("has heard of change"), std::string::npos) << store_->read_only();
}

TEST_F(AdopterTest, AnOlderNodeSaysNothingAndNothingIsMadeOfIt) {
  node_.forget_features();
  close();
  open();
  up();
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  set_back();
  up();
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
}

TEST_F(AdopterTest, ANodeThatHeardMoreOfThisVeryActivationProvesThatItIsNotAlone) {
  server_.stop();
  node_.obey({core::new_uuid(), 1, core::new_uuid()});
  server_.start();
  while (store_->host(host_)->status_reason.find("belongs to cluster") == std::string::npos)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  node_.obey(store_->activation(), store_->progress().position + 100);
  wait_until_read_only();
  EXPECT_NE(store_->read_only().find("has heard of change"), std::string::npos) << store_->read_only();
}

TEST_F(AdopterTest, EachHostThatProvesItIsAdoptedForItself) {
  FakeNode other;
  FakeNodeServer second(other);
  const auto added = orchestrator_->add_host({"h2", "127.0.0.1", second.port(), ""});
  ASSERT_TRUE(added);
  ASSERT_TRUE(orchestrator_->init_host((*added)->id, 20'000));
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  const std::int64_t position = store_->progress().position;
  while (other.position() < position) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  set_back();
  const auto is_marked = [&](const std::string& id) { return !store_->host(id)->needs_adopt.empty(); };
  while (!is_marked(host_) || !is_marked((*added)->id)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  const auto plan = adopter_->plan(host_);
  ASSERT_TRUE(plan);
  std::string job;
  ASSERT_TRUE(adopter_->adopt(host_, plan->plan, 20'000, job));
  EXPECT_FALSE(store_->read_only().empty()) << "the other one's proof stands";
  static_cast<void>(adopted((*added)->id));
  EXPECT_TRUE(store_->read_only().empty());
  ASSERT_TRUE(orchestrator_->create({"after", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  close();
  open();
  up();
  ASSERT_TRUE(orchestrator_->init_host((*added)->id, 20'000));
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
  close();
}

TEST_F(AdopterTest, WordsThatAreNotKnownHereProveItToo) {
  const std::string id = started("web");
  node_.raise_edition(id, store_->vm(id)->edition + 1);
  wait_until_read_only();
  EXPECT_NE(store_->read_only().find("been told edition"), std::string::npos) << store_->read_only();
  static_cast<void>(adopted(host_));
  settle(id, VmState::running);
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
}

TEST_F(AdopterTest, WordsThatWereWrittenHereLaterStayAndTheNodeIsToldOfThem) {
  const std::string id = started("web", "first");
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  server_.stop();
  set_back();
  edit(id, R"({"description":"written while the node was away"})");
  server_.start();
  wait_until_read_only();
  const auto plan = adopted(host_);
  settle(id, VmState::running);
  EXPECT_EQ(store_->vm(id)->description, "written while the node was away");
  wait_until_kept(id);
  EXPECT_NE(node_.survey({}).vms.at(0).keep.text.find("written while"), std::string::npos);
}

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
  while (store_->host(host_)->status == HostStatus::up) std::this_thread::sleep_for(std::chrono::milliseconds(2));
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
