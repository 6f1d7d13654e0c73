// The service behind a real gRPC server, with VMs that are a record.
#include "node_service.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>

#include "qarax/core/ids.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {
namespace {

using node::v1::Node;

class FakeTicket final : public CommandTicket {
 public:
  explicit FakeTicket(std::function<void()> on_cancel) : on_cancel_(std::move(on_cancel)) {}
  void cancel() override { on_cancel_(); }

 private:
  std::function<void()> on_cancel_;
};

class FakeVms final : public VmManager {
 public:
  std::shared_ptr<CommandTicket> execute(Command command, std::function<void(CommandResult)> done) override {
    const std::lock_guard lock(mutex_);
    commands.push_back(command);
    CommandResult result;
    result.report.vm = command.vm;
    result.report.revision = command.revision;
    result.report.status.state = VmState::running;
    result.error =
        fails ? make_error(Code::internal, "no luck", "vmm-failed") : Error{Code::ok, {}, {}, {}, false, 0, {}, {}};
    if (!hangs) {
      done(result);
      return std::make_shared<FakeTicket>([] {});
    }
    result.error = make_error(Code::cancelled, "cancelled");
    under_way_ = [done = std::move(done), result] { done(result); };
    changed_.notify_all();
    return std::make_shared<FakeTicket>([this] { end(); });
  }
  bool cancel(const std::string& vm, std::int64_t revision) override {
    {
      const std::lock_guard lock(mutex_);
      cancels.emplace_back(vm, revision);
    }
    return end();
  }
  Status keep(const std::string& vm, std::string name, RawJson words) override {
    if (fails) return make_error(Code::not_found, "VM " + vm + " isn't here", "vm-not-found");
    kept_words = name + " " + words.text;
    return Ok{};
  }
  core::VmReport inspect(const std::string& vm, std::int64_t) override {
    core::VmReport report;
    report.vm = vm;
    report.missing = true;
    return report;
  }
  Result<Counters> counters(const std::string& vm, std::int64_t) override {
    if (fails) return make_error(Code::failed_precondition, "VM " + vm + " is shutdown", "wrong-state");
    return Counters{{{"exits", 7, "count"}}};
  }
  std::vector<core::VmReport> subscribe(Listener listener, std::uint64_t& id) override {
    std::vector<core::VmReport> snapshot(2);
    snapshot[0].vm = "first";
    snapshot[1].vm = "second";
    // A change while the snapshot is being made: it belongs behind its end.
    core::VmReport early;
    early.vm = "early";
    listener(early);
    const std::lock_guard lock(mutex_);
    id = ++last_;
    listeners_[id] = std::move(listener);
    return snapshot;
  }
  void unsubscribe(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    listeners_.erase(id);
    changed_.notify_all();
  }
  std::vector<core::KeptVm> kept(const std::vector<std::string>&) override { return {}; }
  std::vector<core::Leftover> leftovers(bool) override { return {}; }
  HostShutdown stop_guests(std::int64_t) override { return {}; }
  Result<VmSpec> resolve(const std::string& document, std::int64_t) override {
    if (fails) return make_error(Code::invalid_argument, "no luck", "validation");
    VmSpec out;
    out.config.text = document;
    return out;
  }
  Result<std::string> run_dir(const std::string& vm) override {
    if (dir.empty()) return make_error(Code::not_found, "VM " + vm + " was never started here", "no-console");
    return dir;
  }

  void tell(const std::string& vm) {
    core::VmReport report;
    report.vm = vm;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, listener] : listeners_) listener(report);
  }
  void wait_for_nobody() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return listeners_.empty(); });
  }

  // The command that hangs comes to its end; false: there is none.
  bool end() {
    std::function<void()> ending;
    {
      const std::lock_guard lock(mutex_);
      ending.swap(under_way_);
    }
    if (!ending) return false;
    ending();
    return true;
  }
  void wait_for_command() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return under_way_ != nullptr; });
  }

  bool fails = false;
  bool hangs = false;  // until it is cancelled, or end()
  std::string dir;
  std::vector<Command> commands;
  std::vector<std::pair<std::string, std::int64_t>> cancels;
  std::string kept_words;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> under_way_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Listener> listeners_;
};

class NodeServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-rpc-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
    auto authority = AuthorityStore::open(dir_ + "/cluster.json");
    ASSERT_TRUE(authority);
    authority_ = std::move(*authority);
    options_.session = "session";
  }
  void TearDown() override {
    if (service_) service_->end_streams();
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
    stub_.reset();
    service_.reset();
    server_.reset();
    std::filesystem::remove_all(dir_);
  }
  Node::Stub& node() {
    if (stub_) return *stub_;
    service_ = std::make_unique<NodeService>(
        vms_, *authority_,
        [this] {
          core::NodeInfo info;
          info.node_id = "node";
          info.session = "session";
          info.cpus = cpus_;
          return info;
        },
        options_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = Node::NewStub(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
    return *stub_;
  }
  static void set(node::v1::Authority* out, std::int64_t term = 1, const std::string& session = "session") {
    out->set_cluster_id("cluster");
    out->set_term(term);
    out->set_activation("activation");
    out->set_session(session);
  }
  static grpc::Status call(auto&& method) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    return method(context);
  }
  grpc::Status hello(node::v1::HelloReply& reply, const std::function<void(node::v1::HelloRequest&)>& change = {}) {
    node::v1::HelloRequest request;
    set(request.mutable_authority());
    request.set_protocol(1);
    request.set_min_protocol(1);
    if (change) change(request);
    return call([&](auto& context) { return node().Hello(&context, request, &reply); });
  }
  void greet() {
    node::v1::HelloReply reply;
    const auto status = hello(reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  node::v1::CommandRequest pause() const {
    node::v1::CommandRequest request;
    set(request.mutable_authority());
    request.set_vm(vm_);
    request.set_action(node::v1::ACTION_PAUSE);
    request.set_incarnation(3);
    request.set_revision(7);
    request.set_step(2);
    request.set_request_id("request");
    request.set_document("document");
    return request;
  }
  grpc::Status execute(const node::v1::CommandRequest& request, node::v1::CommandReply& reply) {
    return call([&](auto& context) { return node().Execute(&context, request, &reply); });
  }
  static std::string reason(const grpc::Status& status) {
    const auto error = decode_error(status.error_details());
    return error ? error->reason : "no error document";
  }

  std::string dir_;
  std::string vm_ = core::new_uuid();
  std::atomic<int> cpus_{4};
  FakeVms vms_;
  std::unique_ptr<AuthorityStore> authority_;
  NodeService::Options options_;
  std::unique_ptr<NodeService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Node::Stub> stub_;
};

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
  // The command's end frees its call: without the cancel the server's own end would wait for it.
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
  // The agent's end waits for no call that nobody listens to, and finds the command where it was.
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
  node::v1::KeepReply reply;
  const auto ask = [&] { return call([&](auto& context) { return node().Keep(&context, request, &reply); }); };
  EXPECT_EQ(reason(ask()), "other-cluster") << "nobody has greeted yet";
  greet();
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(vms_.kept_words, R"(web {"description":"words"})");
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
  EXPECT_EQ(hello(reply).error_code(), grpc::StatusCode::UNAUTHENTICATED);
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
  request.set_vm("no uuid");
  EXPECT_EQ(ask().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// What a stream says, without its heartbeats; its numbers count up by one.
class WatchedStream {
 public:
  WatchedStream(Node::Stub& node, const node::v1::WatchRequest& request) : reader_(node.Watch(&context_, request)) {}
  ~WatchedStream() {
    if (!reader_) return;
    context_.TryCancel();
    reader_->Finish();
  }
  std::string next() {
    node::v1::Event event;
    while (reader_->Read(&event)) {
      EXPECT_EQ(event.seq(), ++seq_);
      if (event.has_heartbeat()) {
        ++heartbeats;
        continue;
      }
      if (event.has_begin()) return "begin " + std::to_string(event.begin().vms());
      if (event.has_end()) return "end";
      if (event.what_case() == node::v1::Event::kNodeInfo)
        return "node " +
               std::to_string(decode<core::NodeInfo>(std::string_view(event.node_info()), Unknown::ignore)->cpus);
      return decode<core::VmReport>(std::string_view(event.report()), Unknown::ignore)->vm;
    }
    return "over";
  }
  void wait_for_heartbeat() {
    node::v1::Event event;
    while (!event.has_heartbeat() && reader_->Read(&event)) EXPECT_EQ(event.seq(), ++seq_);
    EXPECT_TRUE(event.has_heartbeat());
  }
  grpc::Status finish() { return std::exchange(reader_, nullptr)->Finish(); }
  int heartbeats = 0;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<node::v1::Event>> reader_;
  std::int64_t seq_ = 0;
};

class WatchTest : public NodeServiceTest {
 protected:
  node::v1::WatchRequest request() const {
    node::v1::WatchRequest out;
    set(out.mutable_authority());
    return out;
  }
};

TEST_F(WatchTest, ASnapshotComesWholeAndWhatChangedMeanwhileBehindIt) {
  greet();
  {
    WatchedStream stream(node(), request());
    EXPECT_EQ(stream.next(), "begin 2");
    EXPECT_EQ(stream.next(), "first");
    EXPECT_EQ(stream.next(), "second");
    EXPECT_EQ(stream.next(), "end");
    EXPECT_EQ(stream.next(), "early");
    EXPECT_EQ(stream.next(), "node 4") << "the greeting may be older than what the node has to say now";
    vms_.tell("later");
    EXPECT_EQ(stream.next(), "later");
    cpus_ = 8;
    service_->node_changed();
    EXPECT_EQ(stream.next(), "node 8");
    stream.wait_for_heartbeat();
  }
  vms_.wait_for_nobody();
}

TEST_F(WatchTest, EachWatcherHasItsOwnNumbers) {
  greet();
  WatchedStream first(node(), request());
  WatchedStream second(node(), request());
  for (WatchedStream* stream : {&first, &second})
    for (const char* expected : {"begin 2", "first", "second", "end", "early"}) EXPECT_EQ(stream->next(), expected);
  vms_.tell("later");
  // A second watcher's node_info reaches the first one too, once or together with its own.
  for (WatchedStream* stream : {&first, &second}) {
    std::string said = stream->next();
    while (said == "node 4") said = stream->next();
    EXPECT_EQ(said, "later");
  }
}

TEST_F(WatchTest, TheNodesEndEndsTheStreamsAndTakesNoNewOnes) {
  greet();
  WatchedStream stream(node(), request());
  EXPECT_EQ(stream.next(), "begin 2");
  service_->end_streams();
  while (stream.next() != "over") {
  }
  EXPECT_EQ(stream.finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  WatchedStream late(node(), request());
  EXPECT_EQ(late.next(), "over");
  EXPECT_EQ(late.finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(WatchTest, OfTheSessionBeforeIsRefused) {
  greet();
  auto stale = request();
  stale.mutable_authority()->set_session("the session before");
  WatchedStream stream(node(), stale);
  EXPECT_EQ(stream.next(), "over");
  EXPECT_EQ(reason(stream.finish()), "stale-session");
}

class ReadConsoleTest : public NodeServiceTest {
 protected:
  grpc::Status read(std::int64_t tail, bool follow, std::string& text) {
    node::v1::ConsoleRequest request;
    set(request.mutable_authority());
    request.set_vm(vm_);
    request.set_tail_bytes(tail);
    request.set_follow(follow);
    return call([&](auto& context) {
      auto reader = node().ReadConsole(&context, request);
      node::v1::ConsoleChunk chunk;
      while (reader->Read(&chunk)) text += chunk.data();
      return reader->Finish();
    });
  }
};

TEST_F(ReadConsoleTest, TheKeptLogComesInPiecesOrItsTail) {
  greet();
  const std::string log = std::string(600'000, 'x') + "the end\n";
  std::ofstream(dir_ + "/console.log") << log;
  vms_.dir = dir_;
  std::string text;
  ASSERT_TRUE(read(0, false, text).ok());
  EXPECT_EQ(text, log);
  text.clear();
  ASSERT_TRUE(read(8, false, text).ok());
  EXPECT_EQ(text, "the end\n");
}

TEST_F(ReadConsoleTest, AVmWithoutOneSaysWhy) {
  greet();
  std::string text;
  EXPECT_EQ(reason(read(0, false, text)), "no-console");
  EXPECT_EQ(reason(read(0, true, text)), "no-console");
  // Its supervisor is gone: the log is all there will be.
  vms_.dir = dir_;
  std::ofstream(dir_ + "/console.log") << "the end\n";
  EXPECT_TRUE(read(0, true, text).ok());
  EXPECT_EQ(text, "the end\n");
  // Somebody listens no more: which socket that was is the host's own matter.
  std::ofstream(dir_ + "/control.sock") << "";
  const auto refused = read(0, true, text);
  EXPECT_EQ(reason(refused), "console-closed");
  EXPECT_EQ(refused.error_message().find(dir_), std::string::npos);
}

}  // namespace
}  // namespace qarax::agent
