// Changes of existing VMs: sizes, snapshots, edits, and restarts that nobody asked for.
#include "able.hpp"
#include "adopter.hpp"
#include "orchestrator_fixture.hpp"

namespace qarax::server {
namespace {

TEST_P(OrchestratorTest, WhatIsSoAlreadyIsRecordedAsMeant) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.set_state(id, VmState::shutdown);
  settle(id, VmState::shutdown);
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::running) << "a crash isn't a wish";
  ASSERT_TRUE(act(id, Action::stop));
  EXPECT_EQ(store_->vm(id)->desired.state, VmState::shutdown);
  EXPECT_EQ(node_.carried_out(Action::stop), 0);
}

TEST_P(OrchestratorTest, ARunningVmIsResizedAtItsNodeAndAnIdleOneInTheStoreAlone) {
  const std::string id = vm("web");
  ActOptions options;
  options.arguments.resize.memory = 256LL << 20;
  ASSERT_TRUE(orchestrator_->act(id, Action::resize, options));
  EXPECT_EQ(node_.carried_out(Action::resize), 0);
  ASSERT_TRUE(act(id, Action::start));
  options.arguments.resize.memory = 384LL << 20;
  const auto resized = orchestrator_->act(id, Action::resize, options);
  ASSERT_TRUE(resized) << resized.error().message;
  EXPECT_EQ((*resized)->spec.memory_size, 384LL << 20);
  EXPECT_EQ((*resized)->observed.status.state, VmState::running);
  EXPECT_EQ(node_.carried_out(Action::resize), 1);
}

TEST_P(OrchestratorTest, ASizeThatCannotBeIsRefusedBeforeAnythingIsRecorded) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  const std::int64_t revision = store_->vm(id)->revision;
  ActOptions options;
  options.arguments.resize.vcpus = 2;
  const auto too_many = orchestrator_->act(id, Action::resize, options);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().reason, "validation");
  EXPECT_EQ(too_many.error().details.at(0).pointer, "/desired_vcpus");
  options.arguments.resize = {std::nullopt, 1LL << 50};
  const auto too_much = orchestrator_->act(id, Action::resize, options);
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().reason, "no-host-fits");
  EXPECT_EQ(too_much.error().details.at(0).pointer, "/desired_ram") << "what the request has";
  options.arguments.resize.memory = 256LL << 20;
  Error said = make_error(Code::invalid_argument, "no room", "");
  said.details.push_back({"/memory", "no room"});
  node_.fail(said);
  const auto no_room = orchestrator_->act(id, Action::resize, options);
  ASSERT_FALSE(no_room);
  EXPECT_EQ(no_room.error().reason, "validation") << "in the words of the REST API";
  EXPECT_EQ(no_room.error().details.at(0).pointer, "/desired_ram");
  EXPECT_EQ(store_->vm(id)->revision, revision + 1) << "only what was sent";
  EXPECT_EQ(store_->vm(id)->spec.memory_size, VmSpec{}.memory_size);
}

// The host's info or its plugin's limits may be others than when the VM was started.
TEST_P(OrchestratorTest, OnlyWhatGrowsIsJudgedByTheHostsSize) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  VmRecord large = *store_->vm(id);
  large.spec.max_vcpus = 100'000;
  const std::int64_t now = large.spec.memory_size;
  const Status grows = check_size(large, {std::nullopt, 2 * now}, *store_);
  EXPECT_TRUE(grows) << grows.error().message;
  large.spec.memory_size = 1LL << 51;
  EXPECT_TRUE(check_size(large, {std::nullopt, 1LL << 50}, *store_));
  EXPECT_FALSE(check_size(large, {std::nullopt, 1LL << 52}, *store_));
}

TEST_P(OrchestratorTest, ASnapshotIsTakenAndRestored) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ActOptions options;
  options.arguments.snapshot = core::new_uuid();
  node_.lose_replies(1);
  ASSERT_TRUE(orchestrator_->act(id, Action::snapshot, options)) << "a lost reply is asked for again";
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot)->status, SnapshotStatus::ready);
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot)->size, 4096);
  EXPECT_EQ(node_.carried_out(Action::snapshot), 1);
  ASSERT_TRUE(act(id, Action::stop));
  const auto restored = orchestrator_->act(id, Action::restore, options);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ((*restored)->observed.status.state, VmState::running);
  EXPECT_EQ((*restored)->incarnation, 2);
  EXPECT_EQ(store_->reservations().size(), 1u);
  ASSERT_TRUE(orchestrator_->act(id, Action::drop_snapshot, options));
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot), nullptr);
}

TEST_P(OrchestratorTest, AnOlderNodeIsNotAskedForWhatItDoesNotKnow) {
  make_node_older();
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ActOptions options;
  options.arguments.snapshot = core::new_uuid();
  const auto refused = orchestrator_->act(id, Action::snapshot, options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-outdated");
  EXPECT_EQ(store_->snapshot(options.arguments.snapshot), nullptr);
  EXPECT_EQ(queries().counters(id).error().reason, "node-outdated");
}

TEST_P(OrchestratorTest, WhatEndsByItselfIsStartedAgainAsItsPolicySays) {
  const auto made =
      orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::on_failure, 2, 0}});
  ASSERT_TRUE(made);
  const std::string id = (*made)->id;
  ASSERT_TRUE(act(id, Action::start));
  for (int restart = 1; restart <= 2; ++restart) {
    node_.set_state(id, VmState::shutdown);
    wait_until(*store_, "a restart", [&] { return store_->vm(id)->restart.count == restart; });
    settle(id, VmState::running);
    EXPECT_EQ(store_->vm(id)->incarnation, 1 + restart);
    EXPECT_EQ(store_->vm(id)->desired.origin, Origin::policy);
  }
  node_.set_state(id, VmState::shutdown);
  settle(id, VmState::shutdown);
  EXPECT_FALSE(wants_restart(*store_->vm(id))) << "its limit";
  ASSERT_TRUE(act(id, Action::start));
  EXPECT_EQ(store_->vm(id)->restart.count, 0) << "somebody took care of it";
  ASSERT_TRUE(act(id, Action::force_stop));
  EXPECT_FALSE(wants_restart(*store_->vm(id)));
  EXPECT_EQ(node_.carried_out(Action::start), 4);
}

TEST_P(OrchestratorTest, AnAdoptsSecondSurveyHasOnlyTheTimeThatIsLeft) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ASSERT_TRUE(store_->remove_vm(id, Removal::by_job));
  Adopter adopter(*store_, *nodes_);
  const auto adopted = adopter.adopt_vm(host_, id);
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ((*adopted)->observed.status.state, VmState::running);
  if (const auto* fleet = dynamic_cast<const FakeFleet*>(nodes_.get())) {
    EXPECT_LT(fleet->last_survey_ms(), kSurveyMs);
  }
}

TEST_P(OrchestratorTest, ANodeKeepsWhatTheServerWouldWantBackAlsoWhenThatChanges) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ASSERT_TRUE(act(id, Action::pause));
  const auto kept = [&](std::string_view words) {
    const auto seen = node_.survey({});
    return seen.vms.size() == 1 && seen.vms[0].keep.text.find(words) != std::string::npos;
  };
  const auto wait_for = [&](std::string_view words) {
    wait_until("the node keeps " + std::string(words), [&] { return kept(words); });
  };
  Editor editor(*store_, *nodes_);
  ASSERT_TRUE(editor.edit_vm({id, R"({"description":"first words","name":"front"})", std::nullopt}));
  wait_for("first words");
  EXPECT_EQ(node_.survey({}).vms[0].report.name, "front");
  // An edit while the node is away, which it is told when it comes back.
  stop_node();
  wait_for_state(id, VmState::unknown);
  ASSERT_TRUE(editor.edit_vm({id, R"({"tags":["prod"]})", std::nullopt}));
  start_node();
  wait_for("prod");
  EXPECT_EQ(node_.told_to_keep(), 2) << "each once, and never what a start brought along";
}

TEST_P(OrchestratorTest, WordsThatANodeCouldNotKeepAreSentAgain) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  const auto told = [&](int times) {
    wait_until("the node is told " + std::to_string(times) + " times", [&] { return node_.told_to_keep() == times; });
  };
  node_.lose_keeps(2);
  ASSERT_TRUE(Editor(*store_, *nodes_).edit_vm({id, R"({"description":"words"})", std::nullopt}));
  told(1);  // by the orchestrator, whose next try is in seconds
  Keeper keeper(*store_, *nodes_, std::chrono::milliseconds(0));
  keeper.look();
  told(2);
  keeper.look();
  told(3);
  EXPECT_NE(node_.survey({}).vms.at(0).keep.text.find("words"), std::string::npos);
}

// A first start that failed early leaves nothing on the node's disk that could hold the VM's words.
TEST_P(OrchestratorTest, ANodeWithoutTheVmsDocumentIsNotToldItsWords) {
  const std::string id = vm("web");
  node_.fail(make_error(Code::failed_precondition, "no kernel"));
  ASSERT_FALSE(act(id, Action::start));
  const VmPtr failed = store_->vm(id);
  ASSERT_EQ(failed->observed.incarnation, 0);
  ASSERT_TRUE(failed->host_id);
  ASSERT_NE(failed->observed.keep, "");
  Keeper keeper(*store_, *nodes_, std::chrono::milliseconds(0));
  keeper.look();
  orchestrator_.reset();  // returns once what it would have sent by now was sent
  EXPECT_EQ(node_.told_to_keep(), 0);
}

TEST_P(OrchestratorTest, WordsThatANodeWasToldLaterAreNotReplacedByWhatIsWrittenHere) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  const std::int64_t edition = store_->vm(id)->edition;
  EXPECT_EQ(node_.survey({}).vms[0].report.keep_edition, edition);
  // As if a later state of this database had sent it.
  node_.keep(id, "later", RawJson{R"({"description":"later"})"}, edition + 3);
  wait_until(*store_, "the edition of what was told",
             [&] { return store_->vm(id)->observed.keep_edition == edition + 3; });
  Keeper keeper(*store_, *nodes_);
  keeper.look();
  orchestrator_.reset();  // returns once what it would have sent by now was sent
  EXPECT_EQ(node_.survey({}).vms[0].report.name, "later");
  EXPECT_EQ(node_.told_to_keep(), 1);
}

TEST_P(OrchestratorTest, AConfigIsSpelledAsItWasAskedForWhateverElseIsEdited) {
  NewVmInput input;
  input.name = "web";
  input.spec.config.text = R"({"note":"\u00fc","rate":1e3,"share":0.10,"seed":12345678901234567890})";
  const auto made = orchestrator_->create(input);
  ASSERT_TRUE(made) << made.error().message;
  const std::string id = (*made)->id;
  ASSERT_TRUE(act(id, Action::start));
  Editor editor(*store_, *nodes_);
  const auto edited = editor.edit_vm({id, R"({"description":"x"})", std::nullopt});
  ASSERT_TRUE(edited) << "nothing of it is read at a start: " << edited.error().message;
  ASSERT_TRUE(act(id, Action::force_stop));
  core::VmReport frozen = node_.survey({}).vms.at(0).report;
  frozen.resolved = input.spec;
  frozen.seq += 100;
  ASSERT_TRUE(store_->apply_report(host_, frozen));
  ASSERT_TRUE(editor.edit_vm({id, R"({"description":"y"})", std::nullopt}));
  EXPECT_EQ(store_->vm(id)->draft_since, 0) << "so nothing is resolved anew";
  ASSERT_TRUE(editor.edit_vm({id, R"({"memory_size":268435456})", std::nullopt}));
  EXPECT_EQ(store_->vm(id)->spec.config.text, input.spec.config.text);
  ASSERT_TRUE(store_->vm(id)->resolved);
  EXPECT_EQ(store_->vm(id)->resolved->memory_size, 268435456);
  EXPECT_EQ(store_->vm(id)->resolved->config.text, input.spec.config.text);
}

TEST_P(OrchestratorTest, AHypervisorIsNotChangedByTheNameThatIsShownInItsPlace) {
  Editor editor(*store_, *nodes_, {"cloud_hv", "other"});
  const auto edit = [&](const std::string& id, const std::string& patch) {
    return editor.edit_vm({id, patch, std::nullopt});
  };
  const std::string sent_back = R"({"hypervisor":"cloud_hv","description":"x"})";
  NewVmInput input;
  input.name = "named";
  input.hypervisor = "fake";
  const auto made = orchestrator_->create(input);
  ASSERT_TRUE(made) << made.error().message;
  const std::string named = (*made)->id;
  const std::string unnamed = vm("unnamed");
  for (const auto& [id, hypervisor] : {std::pair(named, "fake"), std::pair(unnamed, "")}) {
    const auto edited = edit(id, sent_back);
    ASSERT_TRUE(edited) << edited.error().message;
    EXPECT_EQ((*edited)->hypervisor, hypervisor);
    EXPECT_EQ((*edited)->description, "x");
  }
  ASSERT_TRUE(act(named, Action::start));
  EXPECT_TRUE(edit(named, sent_back)) << "it can stay so while it runs";
  EXPECT_EQ(edit(named, R"({"hypervisor":"other"})").error().reason, "wrong-state");
  Editor plain(*store_, *nodes_, {"fake", "cloud_hv"});
  const auto same = plain.edit_vm({unnamed, R"({"hypervisor":"fake","description":"y"})", std::nullopt});
  ASSERT_TRUE(same) << same.error().message;
  EXPECT_EQ((*same)->hypervisor, "") << "the name that it is shown with is its host's default, which may change";
  // Another name on the list stands for itself.
  EXPECT_EQ(plain.edit_vm({unnamed, sent_back, std::nullopt}).error().reason, "hypervisor-unavailable");
}

TEST_P(OrchestratorTest, APolicyTakesNoPartInWhatSomebodyElseDecided) {
  const auto made = orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}, {RestartPolicy::always, 5, 0}});
  ASSERT_TRUE(made);
  const std::string id = (*made)->id;
  ASSERT_TRUE(act(id, Action::start));
  ActOptions policy;
  policy.origin = Origin::policy;
  EXPECT_EQ(orchestrator_->act(id, Action::start, policy).error().reason, "changed") << "it runs";
  ASSERT_TRUE(act(id, Action::force_stop));
  EXPECT_EQ(orchestrator_->act(id, Action::start, policy).error().reason, "changed") << "it was stopped";
  EXPECT_EQ(store_->vm(id)->desired.origin, Origin::user);
  EXPECT_EQ(node_.carried_out(Action::start), 1);
}

}  // namespace
}  // namespace qarax::server
