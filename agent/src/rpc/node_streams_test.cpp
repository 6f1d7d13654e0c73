// The service's streams: events with their snapshot, and consoles.
#include "node_service_fixture.hpp"

namespace qarax::agent {
namespace {

// The events of a stream without its heartbeats. Checks that their numbers count up by one.
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
      if (event.what_case() == node::v1::Event::kProgress) {
        const auto progress = decode<core::CommandProgress>(std::string_view(event.progress()), Unknown::ignore);
        return progress->vm + " " + std::to_string(progress->revision) + " " + progress->step + " " +
               std::to_string(progress->done) + "/" + std::to_string(progress->total);
      }
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

TEST_F(WatchTest, HowFarACommandIsComesBetweenTheReports) {
  greet();
  vms_.under_way = {{"first", 7, "memory", 1, 4}};
  WatchedStream stream(node(), request());
  for (const char* expected : {"begin 2", "first", "second", "end", "early"}) EXPECT_EQ(stream.next(), expected);
  std::string said = stream.next();
  while (said == "node 4") said = stream.next();
  EXPECT_EQ(said, "first 7 memory 1/4") << "what was told before somebody watched";
  vms_.come_further({"first", 7, "memory", 3, 4});
  vms_.tell("later");
  said = stream.next();
  while (said == "node 4") said = stream.next();
  EXPECT_EQ(said, "first 7 memory 3/4");
  said = stream.next();
  while (said == "node 4") said = stream.next();
  EXPECT_EQ(said, "later");
}

TEST_F(WatchTest, ANewWatcherHearsNoProgressThatIsOlderThanWhatItHasHeard) {
  greet();
  vms_.under_way = {{"first", 7, "memory", 1, 4}, {"second", 8, "memory", 1, 4}};
  vms_.meanwhile = core::CommandProgress{"first", 7, "memory", 2, 4};
  WatchedStream stream(node(), request());
  for (const char* expected : {"begin 2", "first", "second", "end", "early"}) EXPECT_EQ(stream.next(), expected);
  std::vector<std::string> said;
  while (said.size() < 2) {
    said.push_back(stream.next());
    std::erase(said, "node 4");
  }
  EXPECT_EQ(said, (std::vector<std::string>{"first 7 memory 2/4", "second 8 memory 1/4"}));
}

TEST_F(WatchTest, ProgressCutsNoSlowReaderOff) {
  greet();
  WatchedStream stream(node(), request());
  EXPECT_EQ(stream.next(), "begin 2");
  for (std::int64_t i = 0; i < 100'000; ++i) vms_.come_further({"first", 7, "memory", i, 100'000});
  vms_.tell("later");
  std::string said;
  while (said != "later" && said != "over") said = stream.next();
  EXPECT_EQ(said, "later");
}

TEST_F(WatchTest, EachWatcherHasItsOwnNumbers) {
  greet();
  WatchedStream first(node(), request());
  WatchedStream second(node(), request());
  for (WatchedStream* stream : {&first, &second})
    for (const char* expected : {"begin 2", "first", "second", "end", "early"}) EXPECT_EQ(stream->next(), expected);
  vms_.tell("later");
  // The node_info that a second watcher causes reaches the first one too, once, or merged with its own.
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
  // The VM's supervisor is gone, so the log is all there will be.
  vms_.dir = dir_;
  std::ofstream(dir_ + "/console.log") << "the end\n";
  EXPECT_TRUE(read(0, true, text).ok());
  EXPECT_EQ(text, "the end\n");
  // Nobody listens on the socket any more. Its path is not the caller's business.
  std::ofstream(dir_ + "/control.sock") << "";
  const auto refused = read(0, true, text);
  EXPECT_EQ(reason(refused), "console-closed");
  EXPECT_EQ(refused.error_message().find(dir_), std::string::npos);
}

TEST_F(ReadConsoleTest, TheNodesEndEndsAnAttachedConsole) {
  greet();
  const auto began = std::chrono::steady_clock::now();
  const grpc::Status ended = call([&](auto& context) {
    auto stream = node().AttachConsole(&context);
    service_->end_streams();
    node::v1::ConsoleChunk chunk;
    while (stream->Read(&chunk)) {
    }
    return stream->Finish();
  });
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNAVAILABLE) << ended.error_message();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5)) << "by itself, not at its deadline";
}

TEST_F(NodeServiceTest, AnAttachmentThatAsksForNothingIsEnded) {
  options_.first_message_ms = 50;
  options_.heartbeat_ms = 10;
  greet();
  const grpc::Status ended = call([&](auto& context) {
    auto stream = node().AttachConsole(&context);
    node::v1::ConsoleChunk chunk;
    while (stream->Read(&chunk)) {
    }
    return stream->Finish();
  });
  EXPECT_EQ(ended.error_message(), "nothing was asked for within 50 ms");
}

TEST_F(NodeServiceTest, AnAttachmentWithoutTheTokenIsRefusedBeforeItAsks) {
  options_.token_sha256 = std::string(64, '0');
  options_.first_message_ms = 60'000;
  const grpc::Status ended = call([&](auto& context) {
    auto stream = node().AttachConsole(&context);
    node::v1::ConsoleChunk chunk;
    while (stream->Read(&chunk)) {
    }
    return stream->Finish();
  });
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNAUTHENTICATED) << ended.error_message();
}

}  // namespace
}  // namespace qarax::agent
