// What the server makes of a node's connection: a real one to a fake node, with losses on the way.
#include "over_a_fake_node.hpp"
#include "qarax/core/ids.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

class NodeLinkTest : public OverAFakeNode {
 protected:
  // As long as the link hasn't noticed, it is up, and up() waits for nothing.
  void go_away() {
    server_.stop();
    wait_until(*store_, "the host isn't up any more", [&] { return store_->host(host_)->status != HostStatus::up; });
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
