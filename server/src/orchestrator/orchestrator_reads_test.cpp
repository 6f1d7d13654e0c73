// Queries to nodes, and VMs whose node can't be reached.
#include "orchestrator_fixture.hpp"

namespace qarax::server {
namespace {

TEST_P(OrchestratorTest, ANodeThatDoesNotAnswerAQuestionIsUnreachable) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  ASSERT_TRUE(queries().counters(id));
  node_.fail_reads(make_error(Code::deadline_exceeded, "Deadline Exceeded"));
  const auto silent = queries().counters(id);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, Code::unavailable);
  EXPECT_EQ(silent.error().reason, "node-unreachable") << "no job goes on that could be followed";
  for (const char* words : {"VM web", "host h1"})
    EXPECT_NE(silent.error().message.find(words), std::string::npos) << silent.error().message;
}

TEST_P(OrchestratorTest, AVmThatItsNodeDoesNotHaveIsThereInAnotherState) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  node_.fail_reads(make_error(Code::not_found, "this node has no VM " + id, "vm-not-found"));
  const auto lost = queries().counters(id);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, "wrong-state") << "GET of the VM is 200";
  EXPECT_NE(lost.error().hint.find("DELETE"), std::string::npos);
  node_.fail_reads(make_error(Code::deadline_exceeded, "no answer of the VMM", "vmm-silent"));
  EXPECT_EQ(queries().counters(id).error().reason, "vmm-silent") << "the node's own word";
}

TEST_P(OrchestratorTest, WhatNobodyCanSayOfAVmIsNoWrongState) {
  const std::string id = vm("web");
  ASSERT_TRUE(act(id, Action::start));
  stop_node();
  settle(id, VmState::unknown);
  ActOptions options;
  options.arguments.resize.vcpus = 1;
  options.arguments.snapshot = core::new_uuid();
  for (const Action action : {Action::stop, Action::pause, Action::resume, Action::reboot, Action::resize,
                              Action::snapshot, Action::restore, Action::force_stop, Action::drop_snapshot}) {
    const auto refused = orchestrator_->act(id, action, options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "node-unreachable") << core::to_string(action);
    EXPECT_GT(refused.error().retry_after_ms, 0);
    EXPECT_NE(refused.error().message.find("host h1"), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(act(id, Action::start).error().reason, "wrong-state") << "it may still run";
  EXPECT_EQ(orchestrator_->remove(id, false, {}).error().reason, "node-unreachable");
}

}  // namespace
}  // namespace qarax::server
