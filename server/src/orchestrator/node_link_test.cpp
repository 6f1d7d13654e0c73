// NodeLink over a real connection to a fake node, with losses on the way.
#include <future>
#include <limits>

#include "over_a_fake_node.hpp"
#include "qarax/core/counting.hpp"
#include "qarax/core/ids.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

class NodeLinkTest : public OverAFakeNode {
 protected:
  // Stops the server and waits until the link has noticed: until then the host is up, and up() would return at once.
  void go_away() {
    server_.stop();
    wait_until(*store_, "the host isn't up any more", [&] { return store_->host(host_)->status != HostStatus::up; });
  }
  // A VM whose pause hangs at its node.
  VmPtr hanging_pause() {
    const std::string id = started("web");
    node_.hang(true);
    ActOptions async;
    async.respond_async = true;
    EXPECT_TRUE(orchestrator_->act(id, core::Action::pause, async));
    node_.wait_for_command(core::Action::pause);
    return store_->vm(id);
  }
};

TEST_F(NodeLinkTest, AGapInTheEventsIsFilledByASnapshot) {
  const std::string id = started("web");
  const int before = server_.watches();
  server_.skip_one();
  node_.set_state(id, VmState::paused);
  wait_until(*store_, "what was lost on its way",
             [&] { return store_->vm(id)->observed.status.state == VmState::paused; });
  EXPECT_EQ(server_.watches(), before + 1) << "asked for once";
  up();
  EXPECT_TRUE(orchestrator_->act(id, core::Action::resume, {}));
}

TEST_F(NodeLinkTest, HowFarACommandIsIsToldOfItsJobWhileItRuns) {
  const VmPtr vm = hanging_pause();
  const std::string& id = vm->id;
  const std::string job = vm->job_id;
  const auto told = [&] { return store_->job_book().find(job)->progress; };
  server_.come_further({id, vm->revision - 1, "late", 9, 9});
  server_.come_further({core::new_uuid(), vm->revision, "another's", 9, 9});
  server_.come_further({id, vm->revision, "memory", 1, 4});
  wait_until("how far it is", [&] { return told().has_value(); });
  EXPECT_EQ(told()->step, "memory");
  EXPECT_EQ(told()->done, 1);
  EXPECT_EQ(told()->total, 4);
  node_.hang(false);
  store_->job_book().wait(job, std::chrono::seconds(20));
  EXPECT_EQ(store_->job_book().find(job)->state, JobState::completed);
  EXPECT_FALSE(told()) << "it has ended";
}

TEST_F(NodeLinkTest, ACommandIsCancelledAlsoWithoutItsCall) {
  const VmPtr vm = hanging_pause();
  const std::string& id = vm->id;
  nodes_->link(host_)->cancel(id, vm->revision, "");
  const JobPtr ended = store_->job_book().wait(vm->job_id, kWaitLimit);
  ASSERT_TRUE(ended && ended->error);
  EXPECT_EQ(ended->state, JobState::failed) << "no user cancelled it";
  EXPECT_EQ(ended->error->reason, "cancelled");
  EXPECT_TRUE(node_.was_cancelled(id, vm->revision));
}

TEST_F(NodeLinkTest, ANodeOnThisMachineIsReachedOverItsUnixSocket) {
  static_cast<void>(started("before"));
  EXPECT_TRUE(server_.commanded_from().starts_with("ipv4:")) << server_.commanded_from();
  go_away();
  server_.offer_unix_socket(dir_ + "/node.sock", true);
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("unix:")) << server_.commanded_from();
}

TEST_F(NodeLinkTest, ASocketOnAnotherMachineIsNotLookedFor) {
  go_away();
  server_.offer_unix_socket(dir_ + "/node.sock", false);
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("ipv4:")) << server_.commanded_from();
}

// Whatever numbers a node reports, the database and the other nodes keep numbers that can still be incremented.
TEST_F(NodeLinkTest, ANodeWhoseNumbersAreNoneIsDownAndIsNotAdopted) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::string id = started("web");
  const std::int64_t term = store_->activation().term;
  node_.raise_revision(id, kMax);
  node_.set_state(id, VmState::paused);  // makes the node send a report
  const auto says = [&](const std::string& words) {
    const HostPtr host = store_->host(host_);
    return host->status == HostStatus::down && host->status_reason.find(words) != std::string::npos;
  };
  wait_until(*store_, "the host is down", [&] { return says("revision of VM " + id + ": " + std::to_string(kMax)); });
  EXPECT_LT(store_->vm(id)->revision, 100);
  EXPECT_TRUE(store_->read_only().empty()) << store_->read_only();
  EXPECT_EQ(adopter_->plan(host_).error().reason, "node-protocol");

  node_.obey({"another cluster", kMax, "a"});
  go_away();
  server_.start();
  wait_until(*store_, "the host is down", [&] { return says("obeys term " + std::to_string(kMax)); });
  EXPECT_EQ(adopter_->plan(host_).error().reason, "node-protocol");
  EXPECT_EQ(store_->activation().term, term);
}

TEST_F(NodeLinkTest, AVmWhoseReportCantBeReadIsNotMissing) {
  const std::string web = started("web");
  const std::string gone = started("gone");
  const std::string other = started("other");
  const auto says_missing = [&](const std::string& id) {
    const Observed& seen = store_->vm(id)->observed;
    EXPECT_EQ(seen.status.state, VmState::unknown);
    return seen.status.status_reason.starts_with("missing");
  };
  server_.garble(gone, "");
  for (const bool is_known : {true, false}) {
    server_.garble(web, is_known ? R"({"vm":")" + web + R"(","status":7})" : "{");
    go_away();
    server_.start();
    up();
    EXPECT_FALSE(says_missing(web));
    EXPECT_EQ(says_missing(gone), is_known) << "where the unread report may be this VM's, nothing is concluded";
    EXPECT_EQ(store_->vm(other)->observed.status.state, VmState::running);
  }
}

TEST_F(NodeLinkTest, AVmWhoseReportCantBeReadSaysSoUntilOneCanBeRead) {
  const std::string web = started("web");
  const auto is_unread = [&](const std::string& words) {
    const VmStatus& status = store_->vm(web)->observed.status;
    return status.state == VmState::unknown && status.status_reason.starts_with(words + " can't be read (");
  };
  const auto come_back = [&] {
    go_away();
    wait_until(*store_, "another reason", [&] {
      return store_->vm(web)->observed.status.status_reason.find("can't be reached") != std::string::npos;
    });
    server_.start();
    up();
  };
  server_.garble(web, R"({"vm":")" + web + R"(","status":7})");
  node_.set_state(web, VmState::paused);
  wait_until(*store_, "that it is unread", [&] { return is_unread("its node's report of it"); });
  come_back();
  EXPECT_TRUE(is_unread("its node's report of it")) << store_->vm(web)->observed.status.status_reason;
  server_.garble(web, "{");
  come_back();
  EXPECT_TRUE(is_unread("its node is up, but a report that may be this VM's"))
      << store_->vm(web)->observed.status.status_reason;
  server_.garble_no_more(web);
  node_.set_state(web, VmState::running);
  wait_until(*store_, "the report", [&] { return store_->vm(web)->observed.status.state == VmState::running; });
  EXPECT_EQ(store_->vm(web)->observed.status.status_reason, "");
}

// A term that is valid but leaves none above it for an adopt.
TEST_F(NodeLinkTest, AnAdoptLeavesTermsForTheOtherNodes) {
  node_.obey({"another cluster", core::kLargestNumber, "a"});
  const auto refused = adopter_->plan(host_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "node-protocol");
  EXPECT_NE(refused.error().message.find("h1"), std::string::npos) << refused.error().message;
  node_.obey({"another cluster", 7, "a"});
  EXPECT_TRUE(adopter_->plan(host_));
}

TEST_F(NodeLinkTest, ALinkEndsWhateverAConsolesClientLeavesUntaken) {
  const std::string id = started("web");
  auto line = nodes_->link(host_)->attach_console(id, 0, 20'000);
  ASSERT_TRUE(line) << line.error().message;
  std::string taken;
  wait_until("the first output", [&] {
    (*line)->take(taken);
    return !taken.empty();
  });
  auto dropped = std::async(std::launch::async, [&] { nodes_->drop(host_); });
  EXPECT_EQ(dropped.wait_for(kWaitLimit), std::future_status::ready);
  line->reset();
}

TEST_F(NodeLinkTest, ASocketThatLeadsToAnotherAgentIsNotTaken) {
  FakeNode other;
  FakeNodeServer elsewhere(other);
  elsewhere.offer_unix_socket(dir_ + "/node.sock", true);
  go_away();
  node_.tell_of_socket(dir_ + "/node.sock", core::boot_identity());
  server_.start();
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("ipv4:")) << server_.commanded_from();
  EXPECT_EQ(other.carried_out(core::Action::start), 0);
}

}  // namespace
}  // namespace qarax::server
