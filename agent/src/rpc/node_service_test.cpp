// What the service's calls carry to the VMs and back, and which callers it lets in.
#include "node_service_fixture.hpp"

namespace qarax::agent {
namespace {

TEST_F(NodeServiceTest, AGreetingTellsWhoTheNodeIs) {
  node::v1::HelloReply reply;
  ASSERT_TRUE(hello(reply).ok());
  EXPECT_EQ(reply.protocol(), 1);
  EXPECT_EQ(reply.session(), "session");
  EXPECT_EQ(reply.highest_term(), 0);
  for (const std::string_view feature : core::kFeatures)
    EXPECT_NE(std::find(reply.features().begin(), reply.features().end(), feature), reply.features().end()) << feature;
  const auto info = decode<core::NodeInfo>(std::string_view(reply.node_info()), Unknown::ignore);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->node_id, "node");
  EXPECT_EQ(info->cpus, 4);
}

TEST_F(NodeServiceTest, AServerOfAnotherAgeOrForAnotherNodeIsToldSo) {
  node::v1::HelloReply reply;
  const auto newer = hello(reply, [](auto& request) {
    request.set_protocol(9);
    request.set_min_protocol(8);
  });
  EXPECT_EQ(reason(newer), "protocol");
  EXPECT_NE(newer.error_message().find("8 to 9"), std::string::npos) << newer.error_message();
  EXPECT_EQ(reason(hello(reply, [](auto& request) { request.set_protocol(0); })), "protocol");
  const auto other = hello(reply, [](auto& request) { request.set_expected_node_id("another"); });
  EXPECT_EQ(other.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(reason(other), "other-node");
  node::v1::CommandReply command;
  EXPECT_EQ(reason(execute(pause(), command)), "other-cluster") << "a refused greeting opens nothing";
}

TEST_F(NodeServiceTest, ACommandArrivesWholeAndItsEndIsTheReply) {
  greet();
  node::v1::CommandReply reply;
  ASSERT_TRUE(execute(pause(), reply).ok());
  ASSERT_EQ(vms_.commands.size(), 1u);
  const Command& command = vms_.commands.front();
  EXPECT_EQ(command.vm, vm_);
  EXPECT_EQ(command.action, core::Action::pause);
  EXPECT_EQ(command.incarnation, 3);
  EXPECT_EQ(command.revision, 7);
  EXPECT_EQ(command.step, 2);
  EXPECT_EQ(command.request_id, "request");
  EXPECT_EQ(command.document, "document");
  const std::int64_t left = command.deadline_ns - plugin::monotonic_ns();
  EXPECT_TRUE(left > 0 && left <= 11'000'000'000) << left;
  EXPECT_EQ(decode<core::VmReport>(std::string_view(reply.report()), Unknown::ignore)->revision, 7);
  EXPECT_EQ(reply.error(), "");
}

TEST_F(NodeServiceTest, AFailedCommandSaysWhyAndWhatIsTrueNow) {
  greet();
  vms_.fails = true;
  node::v1::CommandReply reply;
  ASSERT_TRUE(execute(pause(), reply).ok());
  const auto error = decode_error(reply.error());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->reason, "vmm-failed");
  EXPECT_EQ(decode<core::VmReport>(std::string_view(reply.report()), Unknown::ignore)->vm, vm_);
}

TEST_F(NodeServiceTest, ACallerThatGoesAwayCancelsItsCommand) {
  greet();
  vms_.hangs = true;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  node::v1::CommandReply reply;
  EXPECT_EQ(node().Execute(&context, pause(), &reply).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // The command's end frees its call. Without the cancel, the server's shutdown would wait for it.
}

TEST_F(NodeServiceTest, ACallThatOnlyBreaksOffCancelsNothing) {
  greet();
  vms_.hangs = true;
  auto request = pause();
  request.set_outlives_call(true);
  grpc::ClientContext context;
  node::v1::CommandReply reply;
  auto called = std::async(std::launch::async, [&] { return node().Execute(&context, request, &reply); });
  vms_.wait_for_command();
  context.TryCancel();
  EXPECT_EQ(called.get().error_code(), grpc::StatusCode::CANCELLED);
  // The agent's end doesn't wait for a call that nobody listens to, and the command is still in progress then.
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::hours(1));
  EXPECT_TRUE(vms_.cancels.empty());
  EXPECT_TRUE(vms_.end()) << "it was still under way, and its late end meets no call";
}

TEST_F(NodeServiceTest, AnExplicitCancelIsTheCommandsEndAndItsCallerHearsIt) {
  greet();
  vms_.hangs = true;
  auto request = pause();
  request.set_outlives_call(true);
  node::v1::CommandReply reply;
  auto called = std::async(std::launch::async, [&] { return execute(request, reply); });
  vms_.wait_for_command();
  node::v1::CancelRequest cancel;
  set(cancel.mutable_authority());
  cancel.set_vm(vm_);
  cancel.set_revision(7);
  node::v1::CancelReply cancelled;
  const auto ask = [&] { return call([&](auto& context) { return node().Cancel(&context, cancel, &cancelled); }); };
  EXPECT_TRUE(ask().ok());
  ASSERT_TRUE(called.get().ok());
  EXPECT_EQ(decode_error(reply.error())->code, Code::cancelled);
  EXPECT_TRUE(ask().ok()) << "what has ended already needs no cancel";
  const std::pair<std::string, std::int64_t> asked{vm_, 7};
  EXPECT_EQ(vms_.cancels, (std::vector{asked, asked}));
  cancel.set_vm("no uuid");
  EXPECT_EQ(ask().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(NodeServiceTest, TheServersWordsArriveAsTheyWouldWithAStart) {
  node::v1::KeepRequest request;
  set(request.mutable_authority());
  request.set_vm(vm_);
  request.set_name("web");
  request.set_keep(R"({ "description" : "words" })");
  request.set_edition(3);
  node::v1::KeepReply reply;
  const auto ask = [&] { return call([&](auto& context) { return node().Keep(&context, request, &reply); }); };
  EXPECT_EQ(reason(ask()), "other-cluster") << "nobody has greeted yet";
  greet();
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(vms_.kept_words, R"(web {"description":"words"} 3)");
  request.set_keep("{");
  EXPECT_EQ(ask().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_keep("{}");
  vms_.fails = true;
  EXPECT_EQ(reason(ask()), "vm-not-found");
}

TEST_F(NodeServiceTest, WhoeverMayNotCommandReachesNoVm) {
  node::v1::CommandReply reply;
  EXPECT_EQ(reason(execute(pause(), reply)), "other-cluster") << "nobody has greeted yet";
  greet();
  auto request = pause();
  set(request.mutable_authority(), 2);
  EXPECT_EQ(reason(execute(request, reply)), "stale-term");
  set(request.mutable_authority(), 1, "the session before");
  EXPECT_EQ(reason(execute(request, reply)), "stale-session");
  request = pause();
  request.set_vm("../../etc");
  EXPECT_EQ(execute(request, reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request = pause();
  request.set_action(static_cast<node::v1::Action>(77));
  EXPECT_EQ(execute(request, reply).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(vms_.commands.empty());
}

TEST_F(NodeServiceTest, ATokenIsAskedForOnEveryCall) {
  options_.token_sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";  // of "secret"
  node::v1::HelloReply reply;
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 30; ++i) EXPECT_EQ(hello(reply).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("a caller's credentials are refused peer="), std::string::npos) << told;
  EXPECT_LE(std::count(told.begin(), told.end(), '\n'), 10) << "of thirty: " << told;
  node::v1::HelloRequest request;
  set(request.mutable_authority());
  request.set_protocol(1);
  request.set_min_protocol(1);
  const auto with = [&](const std::string& header) {
    return call([&](auto& context) {
      context.AddMetadata("authorization", header);
      return node().Hello(&context, request, &reply);
    });
  };
  EXPECT_EQ(reason(with("Bearer wrong")), "unauthorized");
  EXPECT_TRUE(with("Bearer secret").ok());
  node::v1::CommandReply command;
  EXPECT_EQ(reason(execute(pause(), command)), "unauthorized");
  grpc::ClientContext context;
  node::v1::WatchRequest watch;
  set(watch.mutable_authority());
  EXPECT_EQ(node().Watch(&context, watch)->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(NodeServiceTest, AVmIsAskedAbout) {
  greet();
  node::v1::VmRequest request;
  set(request.mutable_authority());
  request.set_vm(vm_);
  node::v1::VmReply reply;
  ASSERT_TRUE(call([&](auto& context) { return node().Inspect(&context, request, &reply); }).ok());
  EXPECT_TRUE(decode<core::VmReport>(std::string_view(reply.report()), Unknown::ignore)->missing);
  request.set_vm("no uuid");
  EXPECT_EQ(call([&](auto& context) { return node().Inspect(&context, request, &reply); }).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(NodeServiceTest, CountersAreTheVmmsOrWhyThereAreNone) {
  greet();
  node::v1::VmRequest request;
  set(request.mutable_authority());
  request.set_vm(vm_);
  node::v1::CountersReply reply;
  const auto ask = [&] { return call([&](auto& context) { return node().Counters(&context, request, &reply); }); };
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(decode<Counters>(std::string_view(reply.counters()), Unknown::ignore)->counters.at(0).value, 7);
  vms_.fails = true;
  EXPECT_EQ(reason(ask()), "wrong-state");
  vms_.log_tail = std::string(4096, '\x01');  // 24 KiB as JSON, of which gRPC's metadata takes 8
  EXPECT_EQ(reason(ask()), "wrong-state");
  request.set_vm("no uuid");
  EXPECT_EQ(ask().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(NodeServiceTest, WhatWaitsForNoPluginDoesntWaitForOneThatHangs) {
  options_.most_asking = options_.most_questions = 1;  // either is used up by the call that hangs, if that is in it
  greet();
  vms_.counters_hang = true;
  node::v1::VmRequest request;
  set(request.mutable_authority());
  request.set_vm(vm_);
  node::v1::CountersReply counters;
  auto counted = std::async(std::launch::async, [&] {
    return call([&](auto& context) { return node().Counters(&context, request, &counters); });
  });
  vms_.wait_for_counting(1);
  node::v1::LeftoversRequest leftovers;
  set(leftovers.mutable_authority());
  node::v1::LeftoversReply left;
  EXPECT_TRUE(call([&](auto& context) { return node().Leftovers(&context, leftovers, &left); }).ok());
  node::v1::SurveyRequest survey;
  survey.set_vms(true);
  node::v1::SurveyReply seen;
  EXPECT_TRUE(call([&](auto& context) { return node().Survey(&context, survey, &seen); }).ok());
  vms_.let_count();
  EXPECT_TRUE(counted.get().ok());
}

}  // namespace
}  // namespace qarax::agent
