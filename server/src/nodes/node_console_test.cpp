// An attached console against a node that plays a script.
#include "node_console.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <utility>

#include "calls.hpp"
#include "qarax/core/documents.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::server {
namespace {

using namespace std::chrono_literals;
using Stream = grpc::ServerReaderWriter<node::v1::ConsoleChunk, node::v1::ConsoleInput>;

class ScriptedNode final : public node::v1::Node::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext&, Stream&, const node::v1::ConsoleRequest&)>;
  grpc::Status AttachConsole(grpc::ServerContext* context, Stream* stream) override {
    node::v1::ConsoleInput first;
    stream->Read(&first);
    return script(*context, *stream, first.open());
  }
  Script script;
};

void say_open(grpc::ServerContext& context, Stream& stream) {
  context.AddInitialMetadata(core::kConsoleOpen, "1");
  stream.SendInitialMetadata();
}

void say(Stream& stream, std::string text) {
  node::v1::ConsoleChunk chunk;
  chunk.set_data(std::move(text));
  stream.Write(chunk);
}

class NodeConsoleTest : public ::testing::Test {
 protected:
  NodeConsoleTest() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&node_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
    stub_ = node::v1::Node::NewStub(channel_);
  }
  ~NodeConsoleTest() override {
    line_.reset();
    server_->Shutdown(std::chrono::system_clock::now() + 5s);
    EXPECT_TRUE(eventually([&] { return calls_ == 0; })) << "every call is over at last";
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    for (const auto until = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < until;) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  // The value at which `written` stopped growing; 0: it never stopped.
  static std::size_t standstill(const std::atomic<std::size_t>& written) {
    std::size_t before = 0;
    const bool stands = eventually([&] {
      before = written;
      std::this_thread::sleep_for(200ms);
      return written == before && before > 0;
    });
    return stands ? before : 0;
  }
  Status attach(ScriptedNode::Script script, std::chrono::milliseconds limit = 60s) {
    node_.script = std::move(script);
    ++calls_;
    call_ = std::make_shared<ConsoleCall>(std::make_shared<grpc::ClientContext>(), [this] { --calls_; });
    node::v1::ConsoleRequest request;
    request.set_vm("vm");
    request.set_tail_bytes(17);
    call_->start(*stub_, channel_, queue_.queue(), request);
    QARAX_CHECK(call_->wait_open(limit));
    line_ = std::make_unique<NodeConsole>(call_);
    line_->on_change([this] { ++wakes_; });
    return Ok{};
  }
  // All output so far.
  const std::string& taken() {
    line_->take(taken_);
    return taken_;
  }

  CallQueue queue_;
  ScriptedNode node_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<node::v1::Node::Stub> stub_;
  std::shared_ptr<ConsoleCall> call_;
  std::unique_ptr<ConsoleLine> line_;
  std::string taken_;
  std::atomic<int> calls_{0};
  std::atomic<int> wakes_{0};
};

TEST_F(NodeConsoleTest, BytesGoBothWaysInOrderAndTheEndIsTheGuests) {
  std::promise<void> seen_full;
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest& asked) {
    EXPECT_EQ(asked.vm(), "vm");
    EXPECT_EQ(asked.tail_bytes(), 17);
    say_open(context, stream);
    bool first = true;
    for (node::v1::ConsoleInput input; stream.Read(&input);) {
      say(stream, "<" + input.data() + ">");
      // Stops reading, so that further input piles up on the way, until the test has seen the line full.
      if (std::exchange(first, false)) seen_full.get_future().wait();
    }
    say(stream, "end");
    return grpc::Status::OK;
  }));
  EXPECT_FALSE(line_->ended());
  line_->give("a");
  EXPECT_TRUE(eventually([&] { return taken() == "<a>"; }));
  // How much gRPC buffers on the way differs from machine to machine, so the test types until the line is full.
  std::string typed;
  bool full = false;
  for (int i = 0; !full && i < 10'000; ++i) {
    const std::string piece(10'000, static_cast<char>('a' + i % 26));
    line_->give(piece);
    typed += piece;
    full = !line_->has_room();
  }
  EXPECT_TRUE(full) << "no end of what is held for a guest: " << typed.size() << " bytes";
  EXPECT_GE(line_->unsent(), 65'536U);
  seen_full.set_value();
  line_->end_input();
  EXPECT_TRUE(eventually([&] { return taken().ends_with("end") && line_->ended(); }));
  EXPECT_TRUE(*line_->ended());
  std::string echoed;
  for (const char c : taken_)
    if (c != '<' && c != '>') echoed += c;
  EXPECT_EQ(echoed, "a" + typed + "end");
  EXPECT_TRUE(line_->has_room());
  EXPECT_EQ(line_->unsent(), 0U);
  EXPECT_GT(wakes_, 0);
}

TEST_F(NodeConsoleTest, ARefusalIsTheNodesOwn) {
  const Status refused = attach([](grpc::ServerContext&, Stream&, const node::v1::ConsoleRequest&) {
    const Error error = make_error(Code::failed_precondition, "8 clients are attached already", "console-closed");
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, error.message, encode(error));
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "console-closed");
  EXPECT_EQ(refused.error().message, "8 clients are attached already");
}

TEST(StatusOfANode, TextThatIsNoUtf8IsRepaired) {
  const Error error = to_error(grpc::Status(grpc::StatusCode::INTERNAL, "caf\xe9"));
  EXPECT_EQ(error.code, Code::internal);
  EXPECT_EQ(error.message, "caf\xEF\xBF\xBD");
  const Error own = make_error(Code::aborted, "fine", "its-own");
  EXPECT_EQ(to_error(grpc::Status(grpc::StatusCode::INTERNAL, "\xff", encode(own))).reason, "its-own");
  const std::string broken = R"({"code":10,"message":"caf)"
                             "\xe9"
                             R"("})";
  EXPECT_EQ(to_error(grpc::Status(grpc::StatusCode::INTERNAL, "x", broken)).message, "x");
}

TEST_F(NodeConsoleTest, ANodeThatSaysNothingIsNotWaitedForForever) {
  const Status late = attach(
      [](grpc::ServerContext& context, Stream&, const node::v1::ConsoleRequest&) {
        eventually([&] { return context.IsCancelled(); });
        return grpc::Status::CANCELLED;
      },
      50ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::unavailable);
  EXPECT_EQ(late.error().reason, "node-unreachable");
}

TEST_F(NodeConsoleTest, WhatIsNotTakenHoldsUpTheNode) {
  constexpr std::size_t kAll = std::size_t{64} << 20;
  std::atomic<std::size_t> written{0};
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest&) {
    say_open(context, stream);
    for (; written < kAll; written += 65'536) say(stream, std::string(65'536, 'x'));
    return grpc::Status::OK;
  }));
  const std::size_t before = standstill(written);
  ASSERT_GT(before, 0U);
  EXPECT_LT(before, kAll / 2);
  std::size_t seen = 0;
  EXPECT_TRUE(eventually([&] {
    std::string piece;
    line_->take(piece);
    seen += piece.size();
    return line_->ended().has_value();
  }));
  EXPECT_EQ(seen, kAll);
}

TEST_F(NodeConsoleTest, WhoHangsUpWithoutHavingTakenWhatCameEndsTheCall) {
  std::atomic<std::size_t> written{0};
  std::atomic<bool> ended{false};
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest&) {
    say_open(context, stream);
    node::v1::ConsoleChunk chunk;
    chunk.set_data(std::string(65'536, 'x'));
    while (stream.Write(chunk)) written += chunk.data().size();
    ended = true;
    return grpc::Status::CANCELLED;
  }));
  ASSERT_GT(standstill(written), 0U) << "this side reads no more";
  line_.reset();
  EXPECT_TRUE(eventually([&] { return ended && calls_ == 0; }));
}

TEST_F(NodeConsoleTest, AnInterruptedCallEndsAlthoughNobodyTakesWhatCame) {
  const std::string much(std::size_t{1} << 20, 'x');  // in one message, after which this side reads no more
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest&) {
    say_open(context, stream);
    say(stream, much);
    eventually([&] { return context.IsCancelled(); });
    return grpc::Status::CANCELLED;
  }));
  EXPECT_TRUE(eventually([&] { return !taken().empty(); }));
  call_->interrupt();
  EXPECT_TRUE(eventually([&] { return calls_ == 0; })) << "the link's end waits for it";
  EXPECT_FALSE(line_->ended()) << "what had come can still be taken";
  EXPECT_TRUE(eventually([&] {
    taken();
    return line_->ended().has_value();
  }));
  EXPECT_EQ(taken_, much);
  EXPECT_FALSE(*line_->ended());
}

TEST_F(NodeConsoleTest, ALostNodeIsNoEndOfTheGuests) {
  std::atomic<bool> speaks{false};
  std::atomic<bool> lost{false};
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest&) {
    say_open(context, stream);
    eventually([&] { return speaks.load(); });
    say(stream, "words");
    eventually([&] { return lost.load(); });
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  }));
  const int before = wakes_;
  speaks = true;
  EXPECT_TRUE(eventually([&] { return wakes_ > before; })) << "who waits is told";
  EXPECT_TRUE(eventually([&] { return taken() == "words"; }));
  lost = true;
  ASSERT_TRUE(eventually([&] { return line_->ended().has_value(); }));
  EXPECT_FALSE(*line_->ended());
  EXPECT_EQ(line_->ended()->error().message, "Socket closed");
}

TEST_F(NodeConsoleTest, WhoHangsUpEndsTheCall) {
  std::atomic<bool> cancelled{false};
  ASSERT_TRUE(attach([&](grpc::ServerContext& context, Stream& stream, const node::v1::ConsoleRequest&) {
    say_open(context, stream);
    eventually([&] { return context.IsCancelled(); });
    cancelled = true;
    return grpc::Status::CANCELLED;
  }));
  line_.reset();
  EXPECT_TRUE(eventually([&] { return cancelled && calls_ == 0; }));
}

}  // namespace
}  // namespace qarax::server
