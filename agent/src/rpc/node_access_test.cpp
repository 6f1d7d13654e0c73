// The service over real gRPC, with a manager that only counts calls: who is let in, who is cut off, and what only the
// host itself may say.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "node_service.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/plugin/call_args.hpp"
#include "temp_folder.hpp"
#include "tls.hpp"

namespace qarax::agent {
namespace {

class CountingManager final : public VmManager {
 public:
  std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) override {
    ++commands;
    CommandResult result;
    result.report.vm = command.vm;
    done(result);
    return std::make_shared<Ticket>();
  }
  bool cancel(const std::string&, std::int64_t) override {
    ++cancels;
    return true;
  }
  Status keep(const std::string&, Words) override { return Ok{}; }
  core::VmReport inspect(const std::string&, std::int64_t) override { return {}; }
  Result<Counters> counters(const std::string&, std::int64_t) override {
    ++asked;
    asked.notify_all();
    hangs.wait(true);
    return Counters{};
  }
  Result<VmSpec> resolve(const std::string&, std::int64_t) override { return VmSpec{}; }
  std::vector<core::VmReport> subscribe(Listener, std::uint64_t& id) override {
    id = 1;
    return {};
  }
  void unsubscribe(std::uint64_t) override {}
  void on_progress(ProgressListener) override {}
  std::vector<core::CommandProgress> progress() override { return {}; }
  std::vector<core::KeptVm> kept(const std::vector<std::string>&) override {
    core::KeptVm vm;
    vm.report.vm = "kept";
    return {vm};
  }
  std::vector<core::Leftover> leftovers(bool collect, const std::vector<std::string>& owned) override {
    ++(collect ? collects : looks);
    last_owned = owned;
    return {};
  }
  HostShutdown stop_guests(std::int64_t) override {
    ++stops;
    return {3, 2, 0};
  }
  Result<std::string> run_dir(const std::string&) override { return make_error(Code::not_found, "none"); }

  std::atomic<bool> hangs{false};
  std::atomic<int> asked{0};
  std::atomic<int> commands{0};
  std::atomic<int> cancels{0};
  std::atomic<int> looks{0};
  std::atomic<int> collects{0};
  std::vector<std::string> last_owned;
  std::atomic<int> stops{0};

 private:
  class Ticket final : public CommandTicket {
    void cancel() override {}
  };
};

using Stub = std::unique_ptr<node::v1::Node::Stub>;

class NodeAccessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    authority_ = std::move(*AuthorityStore::open(dir_ + "/cluster.json"));
    NodeService::Options options;
    options.session = "s1";
    service_ = std::make_unique<NodeService>(
        manager_, *authority_,
        [] {
          core::NodeInfo info;
          info.node_id = "n1";
          return info;
        },
        options);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.AddListeningPort("unix:" + dir_ + "/sock", grpc::InsecureServerCredentials());
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = stub_to("127.0.0.1:" + std::to_string(port));
  }
  void TearDown() override {
    service_->end_streams();
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    service_.reset();
  }
  static Stub stub_to(const std::string& target) {
    return node::v1::Node::NewStub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  }
  static std::string reason(const grpc::Status& status) {
    if (status.ok()) return "ok";
    const auto error = decode_error(status.error_details());
    return error ? error->reason : status.error_message();
  }
  static node::v1::Authority as(std::int64_t term, const std::string& activation, const std::string& cluster = "c") {
    node::v1::Authority out;
    out.set_cluster_id(cluster);
    out.set_term(term);
    out.set_activation(activation);
    out.set_session("s1");
    return out;
  }
  std::string greet(const node::v1::Authority& who) {
    node::v1::HelloRequest request;
    *request.mutable_authority() = who;
    request.set_protocol(1);
    request.set_min_protocol(1);
    node::v1::HelloReply reply;
    grpc::ClientContext context;
    return reason(stub_->Hello(&context, request, &reply));
  }
  std::string command(const node::v1::Authority& who) {
    node::v1::CommandRequest request;
    *request.mutable_authority() = who;
    request.set_vm(core::new_uuid());
    request.set_revision(1);
    request.set_action(node::v1::ACTION_PAUSE);
    node::v1::CommandReply reply;
    grpc::ClientContext context;
    return reason(stub_->Execute(&context, request, &reply));
  }
  std::string cancel(const node::v1::Authority& who) {
    node::v1::CancelRequest request;
    *request.mutable_authority() = who;
    request.set_vm(core::new_uuid());
    request.set_revision(1);
    node::v1::CancelReply reply;
    grpc::ClientContext context;
    return reason(stub_->Cancel(&context, request, &reply));
  }
  std::string leftovers(const node::v1::Authority& who, bool collect) {
    node::v1::LeftoversRequest request;
    *request.mutable_authority() = who;
    request.set_collect(collect);
    request.add_owned("a-vm");
    node::v1::LeftoversReply reply;
    grpc::ClientContext context;
    return reason(stub_->Leftovers(&context, request, &reply));
  }
  node::v1::SurveyReply survey(bool vms) {
    node::v1::SurveyRequest request;
    request.set_vms(vms);
    node::v1::SurveyReply reply;
    grpc::ClientContext context;
    EXPECT_EQ(reason(stub_->Survey(&context, request, &reply)), "ok");
    return reply;
  }
  std::string adopt(const node::v1::Authority& who, const node::v1::Authority& seen) {
    node::v1::AdoptRequest request;
    *request.mutable_authority() = who;
    *request.mutable_seen() = seen;
    node::v1::AdoptReply reply;
    grpc::ClientContext context;
    return reason(stub_->Adopt(&context, request, &reply));
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  CountingManager manager_;
  std::unique_ptr<AuthorityStore> authority_;
  std::unique_ptr<NodeService> service_;
  std::unique_ptr<grpc::Server> server_;
  Stub stub_;
};

TEST_F(NodeAccessTest, OnlyWhomItObeysIsCarriedOut) {
  EXPECT_EQ(command(as(1, "a")), "other-cluster") << "nobody was greeted";
  ASSERT_EQ(greet(as(1, "a")), "ok");
  EXPECT_EQ(command(as(1, "a")), "ok");
  ASSERT_EQ(greet(as(2, "b")), "ok");
  EXPECT_EQ(command(as(1, "a")), "stale-term");
  EXPECT_EQ(command(as(2, "copy")), "stale-term") << "a copy of the server's database has the same term";
  EXPECT_EQ(greet(as(2, "copy")), "stale-term");
  EXPECT_EQ(command(as(3, "x", "other")), "other-cluster");
  auto earlier = as(2, "b");
  earlier.set_session("s0");
  EXPECT_EQ(command(earlier), "stale-session");
  EXPECT_EQ(command(as(2, "b")), "ok");
  EXPECT_EQ(manager_.commands, 2);
}

TEST_F(NodeAccessTest, AskingWhoseItIsMakesItNobodys) {
  ASSERT_EQ(greet(as(4, "a")), "ok");
  const auto seen = survey(false);
  EXPECT_EQ(seen.obeyed().term(), 4);
  EXPECT_EQ(seen.obeyed().activation(), "a");
  EXPECT_EQ(seen.vms_size(), 0);
  EXPECT_EQ(survey(true).vms_size(), 1);
  EXPECT_EQ(command(as(4, "a")), "ok");
}

TEST_F(NodeAccessTest, WhoIsNotObeyedAnyMoreSeesNothingAnyMore) {
  ASSERT_EQ(greet(as(1, "a")), "ok");
  node::v1::WatchRequest request;
  *request.mutable_authority() = as(1, "a");
  grpc::ClientContext context;
  const auto watch = stub_->Watch(&context, request);
  node::v1::Event event;
  ASSERT_TRUE(watch->Read(&event));
  EXPECT_TRUE(event.has_begin());
  ASSERT_EQ(adopt(as(1, "z", "other"), as(1, "a")), "ok");
  while (watch->Read(&event)) {
  }
  EXPECT_EQ(reason(watch->Finish()), "stale-term");
  EXPECT_EQ(command(as(1, "a")), "other-cluster");
  EXPECT_EQ(command(as(1, "z", "other")), "ok");
}

TEST_F(NodeAccessTest, AnAdoptHoldsOnlyForWhatWasSeen) {
  ASSERT_EQ(greet(as(7, "a")), "ok");
  EXPECT_EQ(adopt(as(9, "z"), as(6, "b")), "plan-changed");
  EXPECT_EQ(command(as(7, "a")), "ok");
}

TEST_F(NodeAccessTest, LeftoversAreOnlyItsServersToCollect) {
  EXPECT_EQ(leftovers(as(1, "a"), true), "other-cluster");
  ASSERT_EQ(greet(as(1, "a")), "ok");
  EXPECT_EQ(leftovers(as(1, "a"), false), "ok");
  EXPECT_EQ(leftovers(as(1, "b"), true), "stale-term");
  EXPECT_EQ(manager_.looks, 1);
  EXPECT_EQ(manager_.last_owned, std::vector<std::string>{"a-vm"});
  EXPECT_EQ(manager_.collects, 0);
}

TEST_F(NodeAccessTest, OnlyWhomItObeysCancels) {
  EXPECT_EQ(cancel(as(1, "a")), "other-cluster");
  ASSERT_EQ(greet(as(2, "b")), "ok");
  EXPECT_EQ(cancel(as(1, "a")), "stale-term");
  EXPECT_EQ(manager_.cancels, 0);
  EXPECT_EQ(cancel(as(2, "b")), "ok");
  EXPECT_EQ(manager_.cancels, 1);
}

TEST_F(NodeAccessTest, OnlyTheHostItselfSaysThatItGoesDown) {
  ASSERT_EQ(greet(as(1, "a")), "ok");
  node::v1::StopGuestsReply reply;
  {
    grpc::ClientContext context;
    EXPECT_EQ(stub_->StopGuests(&context, {}, &reply).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  }
  EXPECT_EQ(manager_.stops, 0);
  grpc::ClientContext context;
  ASSERT_TRUE(stub_to("unix:" + dir_ + "/sock")->StopGuests(&context, {}, &reply).ok());
  EXPECT_EQ(reply.powered_off(), 3);
  EXPECT_EQ(reply.killed(), 2);
  EXPECT_TRUE(service_->host_stops());
}

TEST_F(NodeAccessTest, TheHostGoesDownThoughPluginsHang) {
  ASSERT_EQ(greet(as(1, "a")), "ok");
  manager_.hangs = true;
  // The service makes no more calls than this at the same time.
  constexpr int kCalls = 64;
  struct Call {
    grpc::ClientContext context;
    node::v1::CountersReply reply;
    grpc::Status status;
  };
  std::vector<Call> calls(kCalls);
  grpc::CompletionQueue queue;
  node::v1::VmRequest request;
  *request.mutable_authority() = as(1, "a");
  request.set_vm(core::new_uuid());
  for (Call& call : calls)
    stub_->AsyncCounters(&call.context, request, &queue)->Finish(&call.reply, &call.status, &call);
  for (int asked = manager_.asked; asked < kCalls; asked = manager_.asked) manager_.asked.wait(asked);
  {
    grpc::ClientContext context;
    node::v1::StopGuestsReply reply;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    EXPECT_TRUE(stub_to("unix:" + dir_ + "/sock")->StopGuests(&context, {}, &reply).ok());
    EXPECT_EQ(manager_.stops, 1);
  }
  manager_.hangs = false;
  manager_.hangs.notify_all();
  queue.Shutdown();
  void* tag = nullptr;
  for (bool ok = false; queue.Next(&tag, &ok);) EXPECT_TRUE(ok);
  for (const Call& call : calls) EXPECT_TRUE(call.status.ok());
}

TEST(TlsCredentials, AFileThatCantBeReadIsNamedWithItsKey) {
  const auto no_cert = tls_credentials("/nonexistent/c", "/nonexistent/k");
  ASSERT_FALSE(no_cert);
  EXPECT_EQ(
      no_cert.error().message,
      "listen.tls.cert: can't read /nonexistent/c: No such file or directory; name a file that this user can read");
  const auto no_key = tls_credentials("/dev/null", "/nonexistent/k");
  ASSERT_FALSE(no_key);
  EXPECT_EQ(no_key.error().message.find("listen.tls.key: can't read /nonexistent/k: "), 0U) << no_key.error().message;
}

}  // namespace
}  // namespace qarax::agent
