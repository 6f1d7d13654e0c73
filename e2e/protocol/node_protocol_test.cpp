// A real qarax-node with the simulator, spoken to as a server does that is late, repeats itself, was replaced, isn't
// this node's, or is cut off: what the protocol promises holds over kill -9 too.
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "qarax/core/documents.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/node/v1/node.grpc.pb.h"
#include "qarax/plugin/call_args.hpp"
#include "temp_folder.hpp"

namespace qarax {
namespace {

using node::v1::Node;

// The test's own time limit is CTest's.
void until(const std::function<bool()>& probe) {
  while (!probe()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

struct Answer {
  std::string refused;  // the call's own reason; empty: it was answered
  std::string failed;   // the command's; empty: it was carried out
  core::VmReport report{};
  std::string text;  // the reply as it came
};

class NodeProtocolTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(dir_ + "/node.yaml") << "listen: {address: 127.0.0.1, port: 0}\n"
                                       << "data_dir: " << dir_ << "/data\n"
                                       << "plugins: [{path: " << QARAX_SIMULATOR << ", required: true}]\n";
    start();
  }
  void TearDown() override { end(SIGTERM); }

  void start() {
    const std::string socket = dir_ + "/data/node.sock";
    std::filesystem::remove(socket);  // of an agent that was killed
    node_ = ::fork();
    if (node_ == 0) {
      const int log = ::open((dir_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execl(QARAX_NODE_PROGRAM, QARAX_NODE_PROGRAM, "--config", (dir_ + "/node.yaml").c_str(), nullptr);
      ::_exit(127);
    }
    ASSERT_GT(node_, 0);
    until([&] { return std::filesystem::exists(socket); });
    const auto channel = grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
    ASSERT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60))) << log();
    stub_ = Node::NewStub(channel);
  }
  void end(int signal) {
    stub_.reset();
    if (node_ <= 0) return;
    ::kill(node_, signal);
    int status = 0;
    ::waitpid(node_, &status, 0);
    node_ = 0;
    const bool ended_well = signal == SIGKILL || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_TRUE(ended_well) << log();
  }
  void kill_and_restart() {
    end(SIGKILL);
    start();
  }
  std::string log() const {
    const auto text = core::read_file(dir_ + "/log");
    return text ? *text : text.error().message;
  }
  // What the VM's console says of itself, how often.
  int said(const std::string& what) const {
    std::ifstream console(dir_ + "/data/vms/" + vm_ + "/run/1/console.log");
    int count = 0;
    for (std::string line; std::getline(console, line);) count += line.ends_with(what) ? 1 : 0;
    return count;
  }
  void wait_for_plugin() const {
    until([&] { return std::filesystem::exists(dir_ + "/data/vms/" + vm_ + "/handle.json"); });
  }

  static std::string reason(const grpc::Status& status) {
    if (status.ok()) return "";
    const auto error = decode_error(status.error_details());
    return error && !error->reason.empty() ? error->reason : status.error_message();
  }
  static void limit(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
  // From then on the fixture speaks as this server, where it was let in.
  std::string greet(std::int64_t term, const std::string& cluster = "cluster") {
    node::v1::HelloRequest request;
    request.mutable_authority()->set_cluster_id(cluster);
    request.mutable_authority()->set_term(term);
    request.mutable_authority()->set_activation(cluster + std::to_string(term));
    request.set_protocol(1);
    request.set_min_protocol(1);
    node::v1::HelloReply reply;
    grpc::ClientContext context;
    limit(context);
    const grpc::Status status = stub_->Hello(&context, request, &reply);
    if (!status.ok()) return reason(status);
    hello_ = reply;
    authority_ = request.authority();
    authority_.set_session(reply.session());
    return "";
  }
  node::v1::CommandRequest command(node::v1::Action action, std::int64_t revision,
                                   const std::string& config = "{}") const {
    node::v1::CommandRequest request;
    *request.mutable_authority() = authority_;
    request.set_vm(vm_);
    request.set_action(action);
    request.set_incarnation(revision);
    request.set_revision(revision);
    request.set_step(1);
    request.set_outlives_call(true);
    if (action == node::v1::ACTION_START)
      request.set_document(R"({"name":"web","hypervisor":"simulator","spec":{"memory_size":1048576,"config":)" +
                           config + "}}");
    return request;
  }
  // Until it is answered: a node that has just been restarted takes a VM up again first.
  Answer run(const node::v1::CommandRequest& request) {
    for (;;) {
      grpc::ClientContext context;
      limit(context);
      node::v1::CommandReply reply;
      Answer out;
      out.refused = reason(stub_->Execute(&context, request, &reply));
      out.text = reply.SerializeAsString();
      if (auto report = decode<core::VmReport>(std::string_view(reply.report()), Unknown::ignore)) out.report = *report;
      if (const auto error = decode_error(reply.error()); error && !reply.error().empty())
        out.failed = !error->reason.empty()           ? error->reason
                     : error->code == Code::cancelled ? "cancelled"
                                                      : error->message;
      if (out.failed != "recovering") return out;
      std::this_thread::yield();
    }
  }
  Answer run(node::v1::Action action, std::int64_t revision) { return run(command(action, revision)); }
  // The VM's start is at its plugin, which has a minute's work with it.
  std::future<Answer> hanging_start(std::int64_t revision) {
    auto hangs = std::async(std::launch::async,
                            [this, request = command(node::v1::ACTION_START, revision, R"({"start_delay_ms":60000})")] {
                              return run(request);
                            });
    wait_for_plugin();
    return hangs;
  }
  std::string cancel(std::int64_t revision) {
    node::v1::CancelRequest request;
    *request.mutable_authority() = authority_;
    request.set_vm(vm_);
    request.set_revision(revision);
    node::v1::CancelReply reply;
    grpc::ClientContext context;
    limit(context);
    return reason(stub_->Cancel(&context, request, &reply));
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  pid_t node_ = 0;
  std::unique_ptr<Node::Stub> stub_;
  node::v1::HelloReply hello_;
  node::v1::Authority authority_;
  std::string vm_ = core::new_uuid();
};

TEST_F(NodeProtocolTest, ALatePauseAfterAResumeChangesNothing) {
  ASSERT_EQ(greet(1), "");
  ASSERT_EQ(run(node::v1::ACTION_START, 1).failed, "");
  ASSERT_EQ(run(node::v1::ACTION_PAUSE, 2).report.status.state, VmState::paused);
  ASSERT_EQ(run(node::v1::ACTION_RESUME, 3).report.status.state, VmState::running);
  EXPECT_EQ(run(node::v1::ACTION_PAUSE, 2).failed, "stale-revision");
  kill_and_restart();
  ASSERT_EQ(greet(1), "");
  const Answer late = run(node::v1::ACTION_PAUSE, 2);
  EXPECT_EQ(late.failed, "stale-revision");
  EXPECT_EQ(late.report.status.state, VmState::running);
}

TEST_F(NodeProtocolTest, ALateStartOfADeletedVmStaysALateStart) {
  ASSERT_EQ(greet(1), "");
  ASSERT_EQ(run(node::v1::ACTION_START, 1).failed, "");
  ASSERT_TRUE(run(node::v1::ACTION_DELETE, 3).report.deleted);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(run(node::v1::ACTION_START, 2).failed, "stale-revision");
    EXPECT_EQ(run(node::v1::ACTION_START, 4).failed, "stale-revision") << "its id is used up, whatever the number";
    EXPECT_TRUE(run(node::v1::ACTION_DELETE, 3).report.deleted) << "asked again it is done";
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/data/vms/" + vm_));
    kill_and_restart();
    ASSERT_EQ(greet(1), "");
  }
}

TEST_F(NodeProtocolTest, ARepeatedStepGetsItsStoredResult) {
  ASSERT_EQ(greet(1), "");
  const Answer first = run(node::v1::ACTION_START, 1);
  ASSERT_EQ(first.failed, "");
  EXPECT_EQ(run(node::v1::ACTION_START, 1).text, first.text);
  ASSERT_EQ(run(node::v1::ACTION_PAUSE, 2).report.status.state, VmState::paused);
  for (int round = 0; round < 2; ++round) {
    kill_and_restart();
    ASSERT_EQ(greet(1), "");
    const Answer again = run(node::v1::ACTION_PAUSE, 2);
    EXPECT_EQ(again.failed, "");
    EXPECT_EQ(again.report.status.state, VmState::paused);
  }
  EXPECT_EQ(said("started, no guest runs"), 1);
  EXPECT_EQ(said("paused"), 1);
}

TEST_F(NodeProtocolTest, OnlyTheLatestServerOfItsClusterIsObeyed) {
  ASSERT_EQ(greet(5), "");
  ASSERT_EQ(run(node::v1::ACTION_START, 1).failed, "");
  const node::v1::Authority earlier = authority_;
  EXPECT_EQ(greet(4), "stale-term");
  EXPECT_EQ(greet(9, "another"), "other-cluster");
  ASSERT_EQ(greet(6), "");
  auto late = command(node::v1::ACTION_PAUSE, 2);
  *late.mutable_authority() = earlier;
  EXPECT_EQ(run(late).refused, "stale-term");
  kill_and_restart();
  EXPECT_EQ(greet(5), "stale-term") << "what it obeyed is on disk";
  EXPECT_EQ(greet(9, "another"), "other-cluster");
  ASSERT_EQ(greet(6), "");
  late = command(node::v1::ACTION_PAUSE, 2);
  late.mutable_authority()->set_session(earlier.session());
  EXPECT_EQ(run(late).refused, "stale-session") << "it was meant for the agent before";
  EXPECT_EQ(run(node::v1::ACTION_PAUSE, 2).report.status.state, VmState::paused);
}

TEST_F(NodeProtocolTest, AnEmptiedFolderIsAnotherNodeThatObeysNobody) {
  ASSERT_EQ(greet(5), "");
  ASSERT_EQ(run(node::v1::ACTION_START, 1).failed, "");
  const auto before = decode<core::NodeInfo>(std::string_view(hello_.node_info()), Unknown::ignore);
  end(SIGKILL);
  std::filesystem::rename(dir_ + "/data", dir_ + "/aside");
  start();
  ASSERT_EQ(greet(1, "another"), "");
  const auto after = decode<core::NodeInfo>(std::string_view(hello_.node_info()), Unknown::ignore);
  EXPECT_NE(after->node_id, before->node_id) << "a server that has pinned the id sees it";
  EXPECT_EQ(hello_.highest_term(), 0);
  const Answer missing = run(node::v1::ACTION_PAUSE, 2);
  EXPECT_EQ(missing.failed, "vm-not-found");
  EXPECT_TRUE(missing.report.missing);
  EXPECT_EQ(missing.report.status.state, VmState::unknown) << "absence proves nothing";
}

TEST_F(NodeProtocolTest, ACallThatBreaksOffLeavesItsCommandAndWhoAsksAgainGetsItsEnd) {
  ASSERT_EQ(greet(1), "");
  auto request = command(node::v1::ACTION_START, 1, R"({"start_delay_ms":500})");
  {
    grpc::ClientContext context;
    node::v1::CommandReply reply;
    auto call = std::async(std::launch::async, [&] { return stub_->Execute(&context, request, &reply); });
    wait_for_plugin();
    context.TryCancel();
    EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  }
  ASSERT_EQ(greet(2), "") << "the server that comes after it";
  *request.mutable_authority() = authority_;
  const Answer end = run(request);
  EXPECT_EQ(end.failed, "");
  EXPECT_EQ(end.report.status.state, VmState::running);
  EXPECT_EQ(run(request).text, end.text);
}

TEST_F(NodeProtocolTest, ACancelEndsWhatItNamesAndNothingElse) {
  ASSERT_EQ(greet(1), "");
  auto hangs = hanging_start(3);
  EXPECT_EQ(cancel(2), "");
  EXPECT_EQ(hangs.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
  EXPECT_EQ(cancel(3), "");
  const Answer end = hangs.get();
  EXPECT_EQ(end.failed, "cancelled");
  EXPECT_EQ(end.report.status.state, VmState::shutdown);
  EXPECT_EQ(run(node::v1::ACTION_START, 3).text, end.text) << "its stored result, also where it was asked otherwise";
  EXPECT_EQ(run(node::v1::ACTION_START, 4).report.status.state, VmState::running);
}

TEST_F(NodeProtocolTest, AnOlderServersCallIsItsCancel) {
  ASSERT_EQ(greet(1), "");
  auto request = command(node::v1::ACTION_START, 1, R"({"start_delay_ms":60000})");
  request.set_outlives_call(false);
  grpc::ClientContext context;
  node::v1::CommandReply reply;
  auto call = std::async(std::launch::async, [&] { return stub_->Execute(&context, request, &reply); });
  wait_for_plugin();
  context.TryCancel();
  EXPECT_FALSE(call.get().ok());
  EXPECT_EQ(run(request).failed, "cancelled");
}

}  // namespace
}  // namespace qarax
