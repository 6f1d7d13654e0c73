// A database that was set back: how it is noticed, and what an adopt makes of it.
#include "adopter_fixture.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

using core::Action;

TEST_F(AdopterTest, ADatabaseThatWasSetBackChangesNothingUntilItsHostIsAdopted) {
  const std::string old = started("old");
  keep();
  const std::string later = started("later", "words");
  ASSERT_TRUE(orchestrator_->act(old, Action::pause, {}));
  const std::int64_t revision = store_->vm(old)->revision;
  const Activation before = store_->activation();
  set_back();
  const auto connected = try_connect();
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().reason, "read-only") << "its node is there: " << connected.error().message;
  EXPECT_NE(connected.error().message.find("/adopt"), std::string::npos) << connected.error().message;
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
  // None of these changes is a command with a higher revision.
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

TEST_F(AdopterTest, ANameThatWasUsedAgainSinceTheBackupIsTheLaterVms) {
  const std::string first = started("web");
  back_up();
  ASSERT_TRUE(orchestrator_->remove(first, false, {}));
  const std::string second = started("web");
  wait_until_told();
  set_back();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
  const auto plan = adopted(host_);
  EXPECT_EQ(line(plan, first)->action, api::AdoptAction::forget);
  EXPECT_EQ(line(plan, second)->name, "web");
  EXPECT_EQ(store_->vm(first), nullptr);
  EXPECT_EQ(store_->vm(second)->name, "web");
  EXPECT_EQ(orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}}).error().reason, "name-taken");
}

TEST_F(AdopterTest, ABackupWhoseServerWentOnWithoutItsNodeIsNoticedWhenThatIsBack) {
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  const std::int64_t told = node_.position();
  server_.stop();
  set_back();
  // The server counts on, past the lost position, while no node is there to contradict it.
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
  wait_until(*store_, "the host says whose it is",
             [&] { return store_->host(host_)->status_reason.find("belongs to cluster") != std::string::npos; });
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
  wait_until("the other node was told too", [&] { return other.position() >= position; });
  set_back();
  const auto is_marked = [&](const std::string& id) { return !store_->host(id)->needs_adopt.empty(); };
  wait_until(*store_, "both nodes prove it", [&] { return is_marked(host_) && is_marked((*added)->id); });
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

// A VM that was placed after the backup may run on a host that can't be asked.
TEST_F(AdopterTest, NothingIsStartedElsewhereWhileAHostWasNotHeard) {
  FakeNode other;
  FakeNodeServer second(other);
  const auto added = orchestrator_->add_host({"h2", "127.0.0.1", second.port(), ""});
  ASSERT_TRUE(added);
  const std::string h2 = (*added)->id;
  ASSERT_TRUE(orchestrator_->init_host(h2, 20'000));
  const auto made = orchestrator_->create({"web", std::nullopt, "", std::nullopt, {}});
  ASSERT_TRUE(made);
  back_up();
  ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
  wait_until_told();
  const std::int64_t position = store_->progress().position;
  wait_until("the other node was told too", [&] { return other.position() >= position; });
  second.stop();
  set_back();
  EXPECT_FALSE(try_connect());
  wait_until_read_only();
  static_cast<void>(adopted(host_));
  for (int round = 0; round < 2; ++round) {
    EXPECT_NE(store_->read_only().find("host h2 (" + h2 + ")"), std::string::npos) << store_->read_only();
    EXPECT_EQ(orchestrator_->act((*made)->id, Action::start, {}).error().reason, "read-only");
    close();
    open();
    up();
  }
  second.start();
  wait_until("the other node proves it too",
             [&] { return store_->read_only().find("/hosts/" + h2 + "/adopt") != std::string::npos; });
  static_cast<void>(adopted(h2));
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
  EXPECT_TRUE(orchestrator_->act((*made)->id, Action::start, {}));
  close();
}

// The database was set back, as its first host has proved, which is adopted by now. The second one can't be reached,
// and knows nothing of later states.
class AwaitedHost : public AdopterTest {
 protected:
  void set_back_without_the_second() {
    const auto added = orchestrator_->add_host({"h2", "127.0.0.1", second_.port(), ""});
    ASSERT_TRUE(added);
    h2_ = (*added)->id;
    ASSERT_TRUE(orchestrator_->init_host(h2_, 20'000));
    second_.stop();
    wait_until(*store_, "h2 isn't up any more", [&] { return store_->host(h2_)->status != HostStatus::up; });
    back_up();
    ASSERT_TRUE(orchestrator_->create({"lost", std::nullopt, "", std::nullopt, {}}));
    wait_until_told();
    set_back();
    EXPECT_FALSE(try_connect());
    wait_until_read_only();
    static_cast<void>(adopted(host_));
    ASSERT_TRUE(is_awaited(*store_->host(h2_)));
  }
  FakeNode other_;
  FakeNodeServer second_{other_};
  std::string h2_;
};

TEST_F(AwaitedHost, IsAwaitedNoLongerOnceItWasHeardAndProvesNothing) {
  set_back_without_the_second();
  EXPECT_FALSE(store_->read_only().empty());
  second_.start();
  wait_until("it is heard", [&] { return store_->read_only().empty(); });
  EXPECT_TRUE(store_->host(h2_)->needs_adopt.empty());
  EXPECT_TRUE(orchestrator_->create({"after", std::nullopt, "", std::nullopt, {}}));
  close();
}

TEST_F(AwaitedHost, ThatMovedAfterTheBackupIsHeardWhereItIsNow) {
  set_back_without_the_second();
  other_.start();
  FakeNodeServer elsewhere(other_);
  const auto moved =
      Editor(*store_, *nodes_).edit_host({h2_, R"({"port":)" + std::to_string(elsewhere.port()) + "}", std::nullopt});
  ASSERT_TRUE(moved) << moved.error().message;
  wait_until("it is heard", [&] { return store_->read_only().empty(); });
  close();
}

TEST_F(AdopterTest, AProofThatCantBeRecordedKeepsItsHostAway) {
  const std::string id = started("web");
  close();
  const auto change_the_database = [&](const std::string& sql) {
    Poco::Data::Session session("SQLite", file());
    session << sql, Poco::Data::Keywords::now;
  };
  change_the_database(
      "CREATE TRIGGER refuses BEFORE UPDATE OF needs_adopt ON hosts BEGIN SELECT RAISE(ABORT, 'no luck'); END");
  node_.raise_revision(id, 9);
  open();
  wait_until(*store_, "the host is down", [&] {
    const HostPtr host = store_->host(host_);
    return host->status == HostStatus::down && host->status_reason.find(" refused: ") != std::string::npos;
  });
  EXPECT_FALSE(store_->host(host_)->heard);
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
  close();
  change_the_database("DROP TRIGGER refuses");
  open();
  wait_until_read_only();
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
    // Nothing shows that the link waits for the adopt's end, as it must. If it doesn't, it has time for ten attempts.
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

}  // namespace
}  // namespace qarax::server
