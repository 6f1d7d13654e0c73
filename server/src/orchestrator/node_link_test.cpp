// What the server makes of a node's connection: a real one to a fake node, with losses on the way.
#include "over_a_fake_node.hpp"
#include "qarax/core/ids.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

using NodeLinkTest = OverAFakeNode;

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
  server_.offer_unix_socket(dir_ + "/node.sock", true);
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("unix:")) << server_.commanded_from();
}

TEST_F(NodeLinkTest, ASocketOnAnotherMachineIsNotLookedFor) {
  server_.offer_unix_socket(dir_ + "/node.sock", false);
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("ipv4:")) << server_.commanded_from();
}

TEST_F(NodeLinkTest, ASocketThatLeadsToAnotherAgentIsNotTaken) {
  FakeNode other;
  FakeNodeServer elsewhere(other);
  elsewhere.offer_unix_socket(dir_ + "/node.sock", true);
  server_.stop();
  node_.tell_of_socket(dir_ + "/node.sock", core::boot_identity());
  server_.start();
  up();
  static_cast<void>(started("web"));
  EXPECT_TRUE(server_.commanded_from().starts_with("ipv4:")) << server_.commanded_from();
  EXPECT_EQ(other.carried_out(core::Action::start), 0);
}

}  // namespace
}  // namespace qarax::server
