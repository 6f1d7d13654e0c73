// Dry runs on a real store and a fake node: their answers, and that they change nothing.
#include "foresight.hpp"

#include <gtest/gtest.h>

#include "fake_fleet.hpp"
#include "fake_node.hpp"
#include "orchestrator.hpp"
#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

using core::Action;

class ForesightTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_sqlite(folder_ / "qarax.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    nodes_ = std::make_unique<FakeFleet>(*store_, node_);
    orchestrator_ = std::make_unique<Orchestrator>(*store_, *nodes_);
    editor_ = std::make_unique<Editor>(*store_, *nodes_);
    foresight_ = std::make_unique<Foresight>(*store_, *nodes_, *editor_);
    orchestrator_->start();
    const auto added = orchestrator_->add_host({"h1", "127.0.0.1", 1, ""});
    ASSERT_TRUE(added) << added.error().message;
    host_ = (*added)->id;
    ASSERT_TRUE(orchestrator_->init_host(host_, 20'000));
  }
  std::string vm(const std::string& name) {
    NewVmInput input;
    input.name = name;
    return (*orchestrator_->create(input))->id;
  }
  // Grows if anything is changed.
  std::uint64_t changes() const { return store_->changes(); }

  TempFolder folder_;
  FakeNode node_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<FakeFleet> nodes_;
  std::unique_ptr<Orchestrator> orchestrator_;
  std::unique_ptr<Editor> editor_;
  std::unique_ptr<Foresight> foresight_;
  std::string host_;
};

TEST_F(ForesightTest, ACreateIsPlacedAndResolvedAndNotMade) {
  const auto before = changes();
  NewVmInput input;
  input.name = "web";
  const auto foreseen = foresight_->create(input);
  ASSERT_TRUE(foreseen) << foreseen.error().message;
  ASSERT_TRUE(foreseen->placement);
  EXPECT_EQ(foreseen->placement->host_id, host_);
  ASSERT_TRUE(foreseen->resolved);
  EXPECT_EQ(foreseen->resolved->config.text, R"({"machine":"frozen-1"})");
  EXPECT_TRUE(store_->vms().empty());
  EXPECT_EQ(changes(), before);
  vm("web");
  EXPECT_EQ(foresight_->create(input).error().reason, "name-taken");
}

TEST_F(ForesightTest, WhatNoHostTakesIsRefusedWithEveryReason) {
  NewVmInput input;
  input.name = "huge";
  input.hypervisor = "none-such";
  const auto refused = foresight_->create(input);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "hypervisor-unavailable");
  EXPECT_EQ(refused.error().step, "placement");
  EXPECT_EQ(refused.error().details.size(), 1u);
}

TEST_F(ForesightTest, ThePluginsOwnRefusalIsTold) {
  Error no = make_error(Code::invalid_argument, "no such machine", "validation");
  no.details.push_back({"/config/machine", "unknown"});
  node_.refuse(no);
  NewVmInput input;
  input.name = "web";
  const auto refused = foresight_->create(input);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "validation");
  EXPECT_EQ(refused.error().details.at(0).pointer, "/config/machine");
  ASSERT_FALSE(refused.error().causes.empty());
  EXPECT_EQ(refused.error().causes.back(), "no such machine");
}

TEST_F(ForesightTest, ACancelIsJudgedAndTheJobGoesOn) {
  const std::string web = vm("web");
  node_.hang(true);
  ActOptions options;
  options.respond_async = true;
  ASSERT_TRUE(orchestrator_->act(web, Action::start, options));
  const std::string job = store_->vm(web)->job_id;
  const auto foreseen = foresight_->cancel(job);
  ASSERT_TRUE(foreseen) << foreseen.error().message;
  EXPECT_EQ(foreseen->action, "cancel");
  EXPECT_TRUE(foreseen->changes);
  EXPECT_FALSE(store_->job_book().find(job)->cancelling);
  node_.hang(false);
  ASSERT_EQ(store_->job_book().wait(job, std::chrono::seconds(20))->state, JobState::completed);
  EXPECT_EQ(foresight_->cancel(job).error().reason, "job-finished");
  EXPECT_EQ(foresight_->cancel(core::new_uuid()).error().reason, "job-not-found");
}

TEST_F(ForesightTest, WhatItsPluginCantDoIsRefusedAsTheActionItselfWouldBe) {
  const std::string web = vm("web");
  ASSERT_TRUE(orchestrator_->act(web, Action::start, {}));
  ASSERT_TRUE(foresight_->act(web, Action::reboot, false, {}));
  core::NodeInfo less = node_.info();
  std::erase(less.plugins.front().interfaces, "qarax.hypervisor.reboot/1");
  store_->update_host(host_, HostStatus::up, "", less);
  const auto refused = foresight_->act(web, Action::reboot, false, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "unsupported-by-hypervisor");
  EXPECT_EQ(orchestrator_->act(web, Action::reboot, {}).error().reason, "unsupported-by-hypervisor");
}

TEST_F(ForesightTest, OnAReadOnlyServerNothingIsPromised) {
  const std::string web = vm("web");
  const auto awaited = store_->add_host({"awaited", "127.0.0.1", 3, ""});
  ASSERT_TRUE(awaited);
  ASSERT_TRUE(store_->mark_set_back(host_, "a later change"));
  NewVmInput input;
  input.name = "db";
  EXPECT_EQ(foresight_->create(input).error().reason, "read-only");
  EXPECT_EQ(foresight_->act(web, Action::start, false, {}).error().reason, "read-only");
  EXPECT_EQ(foresight_->add_host({"h2", "127.0.0.1", 2, ""}).error().reason, "read-only");
  const auto forgotten = foresight_->remove_host({(*awaited)->id});
  ASSERT_TRUE(forgotten) << forgotten.error().message;
  ASSERT_EQ(forgotten->notes.size(), 1U);
  EXPECT_NE(forgotten->notes[0].find("what it may know"), std::string::npos) << forgotten->notes[0];
}

TEST_F(ForesightTest, AnOlderNodeIsntAsked) {
  node_.forget_features();
  NewVmInput input;
  input.name = "web";
  const auto foreseen = foresight_->create(input);
  ASSERT_TRUE(foreseen) << foreseen.error().message;
  EXPECT_FALSE(foreseen->resolved);
  ASSERT_EQ(foreseen->notes.size(), 1u);
  EXPECT_NE(foreseen->notes[0].find("older"), std::string::npos);
}

TEST_F(ForesightTest, ActionsAreJudgedAndNotDone) {
  const std::string id = vm("web");
  const auto before = changes();
  const auto start = foresight_->act(id, Action::start, false);
  ASSERT_TRUE(start) << start.error().message;
  EXPECT_TRUE(start->changes && start->placement && start->resolved);
  EXPECT_EQ(foresight_->act(id, Action::pause, false).error().reason, "wrong-state");
  const auto stop = foresight_->act(id, Action::stop, false);
  ASSERT_TRUE(stop);
  EXPECT_FALSE(stop->changes);
  EXPECT_TRUE(foresight_->act(id, Action::remove, false));
  EXPECT_EQ(changes(), before);
  EXPECT_EQ(node_.carried_out(Action::start), 0);
  ASSERT_TRUE(orchestrator_->act(id, Action::start, {}));
  EXPECT_FALSE(foresight_->act(id, Action::start, false)->changes);
  EXPECT_EQ(foresight_->act(id, Action::remove, false)->notes.size(), 1u);
}

TEST_F(ForesightTest, EditsAreCheckedAndNotWritten) {
  const std::string id = vm("web");
  vm("other");
  const auto before = changes();
  const auto larger = foresight_->edit_vm({id, R"({"memory_size":1048576})", std::nullopt, true});
  ASSERT_TRUE(larger) << larger.error().message;
  EXPECT_TRUE(larger->placement && larger->resolved);
  EXPECT_EQ(larger->resolved->memory_size, 1048576);
  EXPECT_EQ(foresight_->edit_vm({id, R"({"name":"other"})", std::nullopt, true}).error().reason, "name-taken");
  EXPECT_EQ(foresight_->edit_vm({id, R"({"name":"x y"})", std::nullopt, true}).error().reason, "validation");
  EXPECT_FALSE(foresight_->edit_vm({id, "{}", std::nullopt, true})->changes);
  EXPECT_TRUE(foresight_->edit_vm({id, R"({"tags":["a"]})", std::nullopt, true})->changes);
  EXPECT_EQ(changes(), before);
  EXPECT_EQ(store_->vm(id)->name, "web");
  EXPECT_TRUE(store_->vm(id)->tags.empty());
}

TEST_F(ForesightTest, AResizeIsTriedUpToTheVmmsWord) {
  const std::string id = vm("web");
  const auto resize = [&](std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) {
    ActOptions options;
    options.arguments.resize = {vcpus, memory};
    return foresight_->act(id, Action::resize, false, options);
  };
  const auto before = changes();
  const auto idle = resize(std::nullopt, 256LL << 20);
  ASSERT_TRUE(idle) << idle.error().message;
  EXPECT_TRUE(idle->changes && idle->placement && idle->resolved);
  EXPECT_EQ(idle->resolved->memory_size, 256LL << 20);
  EXPECT_EQ(resize(2, std::nullopt).error().details.at(0).pointer, "/desired_vcpus");
  EXPECT_FALSE(resize(std::nullopt, VmSpec{}.memory_size)->changes) << "it is so already";
  EXPECT_EQ(changes(), before);
  ASSERT_TRUE(orchestrator_->act(id, Action::start, {}));
  const std::int64_t revision = store_->vm(id)->revision;
  EXPECT_TRUE(resize(std::nullopt, 256LL << 20));
  EXPECT_EQ(resize(std::nullopt, 1LL << 50).error().reason, "no-host-fits");
  EXPECT_EQ(store_->vm(id)->revision, revision);
  EXPECT_EQ(store_->vm(id)->spec.memory_size, VmSpec{}.memory_size);
  EXPECT_EQ(node_.carried_out(Action::resize), 0);
}

TEST_F(ForesightTest, SnapshotsAreTriedAndNeitherTakenNorRestored) {
  const std::string id = vm("web");
  ActOptions take;
  take.arguments.snapshot = core::new_uuid();
  take.arguments.name = "first";
  const auto ask = [&](Action action) { return foresight_->act(id, action, false, take); };
  EXPECT_EQ(ask(Action::snapshot).error().reason, "wrong-state");
  ASSERT_TRUE(orchestrator_->act(id, Action::start, {}));
  const std::int64_t revision = store_->vm(id)->revision;
  ASSERT_TRUE(ask(Action::snapshot));
  EXPECT_TRUE(store_->snapshots(id).empty());
  EXPECT_EQ(ask(Action::drop_snapshot).error().reason, "snapshot-not-found");
  EXPECT_EQ(store_->vm(id)->revision, revision);
  ASSERT_TRUE(orchestrator_->act(id, Action::snapshot, take));
  EXPECT_EQ(ask(Action::snapshot).error().reason, "name-taken");
  EXPECT_TRUE(ask(Action::drop_snapshot));
  EXPECT_EQ(ask(Action::restore).error().reason, "wrong-state") << "it runs";
  ASSERT_TRUE(orchestrator_->act(id, Action::stop, {}));
  const auto restored = ask(Action::restore);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_TRUE(restored->placement && restored->resolved);
  EXPECT_EQ(store_->snapshots(id).size(), 1u);
  EXPECT_EQ(node_.carried_out(Action::restore), 0);
  EXPECT_EQ(store_->vm(id)->observed.status.state, VmState::shutdown);
}

TEST_F(ForesightTest, AFrozenMachineIsNotMovedToAFallback) {
  const std::string id = vm("web");
  ActOptions options;
  options.arguments.snapshot = core::new_uuid();
  ASSERT_TRUE(orchestrator_->act(id, Action::start, {}));
  ASSERT_TRUE(orchestrator_->act(id, Action::snapshot, options));
  ASSERT_TRUE(orchestrator_->act(id, Action::force_stop, {}));
  core::VmReport frozen = node_.survey({}).vms.at(0).report;
  frozen.resolved = VmSpec{};
  frozen.seq += 100;
  ASSERT_TRUE(store_->apply_report(host_, frozen));
  core::NodeInfo info = node_.info();
  core::PluginInfo other = info.plugins.at(0);
  other.name = "other";
  info.plugins.push_back(other);
  info.plugins[0].description->healthy = false;
  info.plugins[0].description->health_reason = "there is no KVM";
  info.fallback["fake"] = "other";
  store_->update_host(host_, HostStatus::up, "", info);
  const auto fresh = foresight_->act(vm("fresh"), Action::start, false);
  ASSERT_TRUE(fresh) << fresh.error().message;
  EXPECT_EQ(fresh->placement->hypervisor, "other");
  for (const Action action : {Action::start, Action::restore}) {
    const auto refused = orchestrator_->act(id, action, options);
    ASSERT_FALSE(refused) << core::to_string(action);
    EXPECT_EQ(refused.error().reason, "hypervisor-unavailable");
    EXPECT_NE(refused.error().hint.find("made for hypervisor fake"), std::string::npos) << refused.error().hint;
    EXPECT_EQ(foresight_->act(id, action, false, options).error().hint, refused.error().hint);
  }
  EXPECT_EQ(editor_->edit_vm({id, R"({"memory_size":268435456})", std::nullopt}).error().reason,
            "hypervisor-unavailable");
  EXPECT_EQ(store_->vm(id)->observed.hypervisor, "fake");
  EXPECT_EQ(store_->vm(id)->observed.fallback_reason, "");
}

// A dry run is refused with the same error as the change itself, word for word.
TEST_F(ForesightTest, ARefusalIsTheChangesOwn) {
  const auto same = [](const auto& foreseen, const auto& done, std::string_view reason) {
    ASSERT_FALSE(foreseen) << reason;
    ASSERT_FALSE(done) << reason;
    EXPECT_EQ(foreseen.error().reason, reason);
    EXPECT_EQ(foreseen.error().code, done.error().code) << reason;
    EXPECT_EQ(foreseen.error().reason, done.error().reason);
    EXPECT_EQ(foreseen.error().message, done.error().message);
    EXPECT_EQ(foreseen.error().hint, done.error().hint) << reason;
    EXPECT_EQ(foreseen.error().details.size(), done.error().details.size()) << reason;
  };
  const auto act = [&](const std::string& id, Action action, std::string_view reason, const ActOptions& options = {}) {
    same(foresight_->act(id, action, false, options), orchestrator_->act(id, action, options), reason);
  };
  NewVmInput input;
  input.name = "web";
  const std::string id = vm("web");
  same(foresight_->create(input), orchestrator_->create(input), "name-taken");
  input.name = "other";
  input.description = std::string("a\0b", 3);
  same(foresight_->create(input), orchestrator_->create(input), "validation");
  same(foresight_->add_host({"h1", "a", 1, ""}), orchestrator_->add_host({"h1", "a", 1, ""}), "name-taken");
  act("none", Action::start, "vm-not-found");
  act(id, Action::pause, "wrong-state");
  ActOptions options;
  options.expected_version = store_->vm(id)->version + 1;
  act(id, Action::start, "precondition-failed", options);
  same(foresight_->act(id, Action::remove, false, options), orchestrator_->remove(id, false, options),
       "precondition-failed");
  options = {};
  options.arguments.resize.vcpus = 1000;
  act(id, Action::resize, "validation", options);

  node_.hang(true);
  options = {};
  options.respond_async = true;
  ASSERT_TRUE(orchestrator_->act(id, Action::start, options));
  act(id, Action::pause, "job-in-progress");
  act(id, Action::start, "job-in-progress");
  EXPECT_EQ(foresight_->act(id, Action::stop, false)->notes.size(), 1u) << "that would take its place";

  node_.stop();
  wait_until(*store_, "the node is seen to be gone",
             [&] { return store_->vm(id)->observed.status.state == VmState::unknown; });
  act(id, Action::force_stop, "node-unreachable");
  same(foresight_->act(id, Action::remove, false), orchestrator_->remove(id, false, {}), "node-unreachable");
  const auto forgotten = foresight_->act(id, Action::remove, true);
  ASSERT_TRUE(forgotten) << "whatever its node was asked for";
  ASSERT_EQ(forgotten->notes.size(), 3U);
  ASSERT_EQ(store_->reservations().size(), 1U);
  EXPECT_EQ(forgotten->notes[2].find("the " + std::to_string(store_->reservations()[0].memory) + " bytes of memory"),
            0U)
      << forgotten->notes[2];
  EXPECT_TRUE(store_->vm(id));
}

TEST_F(ForesightTest, HostsToo) {
  EXPECT_EQ(foresight_->add_host({"h1", "a", 1, ""}).error().reason, "name-taken");
  EXPECT_EQ(foresight_->add_host({"h2", "127.0.0.1", 1, ""})->notes.size(), 2u);
  EXPECT_FALSE(foresight_->init_host(host_)->changes) << "it is up";
  EXPECT_EQ(foresight_->init_host("none").error().reason, "host-not-found");
  EXPECT_TRUE(foresight_->edit_host({host_, R"({"port":2})", std::nullopt, true})->changes);
  EXPECT_EQ(store_->host(host_)->port, 1);
  EXPECT_TRUE(foresight_->remove_host({host_}));
  EXPECT_TRUE(store_->host(host_));
  ASSERT_TRUE(orchestrator_->act(vm("web"), Action::start, {}));
  EXPECT_EQ(foresight_->remove_host({host_}).error().reason, "host-in-use");
}

}  // namespace
}  // namespace qarax::server
