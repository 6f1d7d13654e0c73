// Live replies: many readers, slow readers, and the end of the server.
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include "http/testing/raw_client.hpp"
#include "qarax/core/files.hpp"

namespace qarax::http {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::RawClient;
using testing::TestServer;

// A growing text that every reader gets from the first byte.
class Board {
 public:
  void write(std::string_view text) {
    const std::lock_guard lock(mutex_);
    text_.append(text);
  }
  std::string from(std::size_t at) const {
    const std::lock_guard lock(mutex_);
    return at < text_.size() ? text_.substr(at, 8192) : std::string();
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

constexpr std::size_t kMuch = std::size_t{32} << 20;  // more than any socket's buffers

class BoardReader final : public LiveBody {
 public:
  explicit BoardReader(const Board& board, std::size_t at = 0) : board_(board), at_(at) {}
  bool pull(std::string& out) override {
    const std::string piece = board_.from(at_);
    at_ += piece.size();
    out.append(piece);
    return piece.find("END") == std::string::npos;
  }
  void heartbeat(std::string& out) override { out.append("beat;"); }
  void farewell(std::string_view reason, std::string& out) override { out.append("bye:").append(reason); }

 private:
  const Board& board_;
  std::size_t at_;
};

class ThrowingBody final : public LiveBody {
 public:
  explicit ThrowingBody(bool an_int = false) : an_int_(an_int) {}
  bool pull(std::string&) override {
    if (an_int_) throw 7;
    throw std::runtime_error("no more");
  }
  void heartbeat(std::string&) override {}
  void farewell(std::string_view, std::string&) override {}

 private:
  const bool an_int_;
};

class LiveStreamsTest : public ::testing::Test {
 protected:
  LiveStreamsTest() {
    core::raise_descriptor_limit();
    router_.add("GET", "/", [](const Request&) { return Response::text("qarax"); });
    router_.add("GET", "/board", [this](const Request&) {
      return Response::going_on("text/plain", std::make_shared<BoardReader>(board_));
    });
    router_.add("GET", "/after-much", [this](const Request&) {
      return Response::going_on("text/plain", std::make_shared<BoardReader>(board_, kMuch));
    });
    router_.add("GET", "/throws",
                [](const Request&) { return Response::going_on("text/plain", std::make_shared<ThrowingBody>()); });
    router_.add("GET", "/throws-an-int",
                [](const Request&) { return Response::going_on("text/plain", std::make_shared<ThrowingBody>(true)); });
    router_.add("GET", "/late", [this](const Request&) {
      Response response = Response::going_on("text/plain", std::make_shared<BoardReader>(board_, 2));
      response.stream = [this](StreamSink& sink) { sink.write(board_.from(0).substr(0, 2)); };
      return response;
    });
  }
  TestServer& serve(ServerConfig config = {}) { return server_.emplace(std::move(config), router_); }
  void say(std::string_view text) {
    board_.write(text);
    (*server_)->wake_live();
  }
  static RawClient follow(TestServer& server, const std::string& path = "/board") {
    RawClient client = server.client();
    const auto head = client.exchange("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
    EXPECT_TRUE(head && head->status == 200 && head->header("Transfer-Encoding") == "chunked");
    return client;
  }
  static int threads() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("Threads:")) return std::atoi(line.c_str() + 8);
    return 0;
  }

  Board board_;
  Router router_;
  std::optional<TestServer> server_;
};

TEST_F(LiveStreamsTest, EveryReaderGetsEverythingAndTheEnd) {
  TestServer& server = serve();
  RawClient one = follow(server);
  say("hello ");
  RawClient late = follow(server, "/late");  // its beginning is sent by a stream thread, the rest live
  RawClient two = follow(server);
  say("world END");
  for (RawClient* client : {&one, &late, &two}) {
    const auto body = client->chunked_body();
    ASSERT_TRUE(body);
    EXPECT_EQ(body, "hello world END");
    EXPECT_TRUE(client->at_end());
  }
}

TEST_F(LiveStreamsTest, TwoHundredReadersCostNoThreadAndKeepNobodyWaiting) {
  TestServer& server = serve();
  EXPECT_TRUE(server.client().exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const int before = threads();
  std::vector<RawClient> readers;
  for (int i = 0; i < 200; ++i) readers.push_back(follow(server));
  EXPECT_LE(threads(), before + 4);
  // Two hundred live replies don't delay a request.
  EXPECT_EQ(server.client().exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")->body, "qarax");
  say("news END");
  for (RawClient& one : readers) EXPECT_EQ(one.chunked_body(), "news END");
}

TEST_F(LiveStreamsTest, WhoTakesNothingIsCutAndTheOthersDontWait) {
  ServerConfig config;
  config.write_timeout = 300ms;
  TestServer& server = serve(config);
  RawClient slow = follow(server);
  // This reader gets so little that it can't hit the write timeout, however busy the machine is.
  RawClient quick = follow(server, "/after-much");
  say(std::string(kMuch, 'x') + "news");
  EXPECT_EQ(quick.chunk(), "news");
  EXPECT_TRUE(eventually([&] { return server->connections() == 1; }));
  say("END");
  EXPECT_EQ(quick.chunk(), "END");
}

TEST_F(LiveStreamsTest, ASilentStreamHasItsHeartbeatEvery15Seconds) {
  EXPECT_EQ(ServerConfig{}.heartbeat, 15s) << "what proxies and clients were told to expect";
}

TEST_F(LiveStreamsTest, ASilentStreamHasHeartbeats) {
  ServerConfig config;
  config.heartbeat = 20ms;
  RawClient client = follow(serve(config));
  EXPECT_EQ(client.chunk(), "beat;");
  EXPECT_EQ(client.chunk(), "beat;");
}

TEST_F(LiveStreamsTest, AReaderThatGoesAwayIsForgotten) {
  TestServer& server = serve();
  RawClient gone = follow(server);
  RawClient reset = follow(server);
  gone.close();
  reset.reset();
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(LiveStreamsTest, ABodyThatThrowsEndsAloneAndWithoutItsLastChunk) {
  TestServer& server = serve();
  RawClient good = follow(server);
  for (const char* path : {"/throws", "/throws-an-int"}) {
    RawClient bad = follow(server, path);
    EXPECT_FALSE(bad.chunked_body());
  }
  say("END");
  EXPECT_EQ(good.chunked_body(), "END");
}

TEST_F(LiveStreamsTest, BeyondTheLimitIs503AndTheConnectionStaysGood) {
  ServerConfig config;
  config.max_live_streams = 1;
  TestServer& server = serve(config);
  RawClient first = follow(server);
  RawClient second = server.client();
  const auto refused = second.exchange("GET /board HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->is_problem("overloaded"));
  EXPECT_EQ(second.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")->body, "qarax");
}

TEST_F(LiveStreamsTest, ARefusalEndsTheConnectionIfTheClientWantsThat) {
  ServerConfig config;
  config.max_live_streams = 1;
  TestServer& server = serve(config);
  const RawClient first = follow(server);
  for (const char* request : {"GET /board HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                              "GET /board HTTP/1.0\r\nHost: localhost\r\n\r\n"}) {
    RawClient client = server.client();
    const auto refused = client.exchange(request);
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->is_problem("overloaded"));
    EXPECT_EQ(refused->header("Connection"), "close");
    EXPECT_TRUE(client.at_end());
  }
}

TEST_F(LiveStreamsTest, EachOfSeveralRequestsSentAtOnceIsRefused) {
  ServerConfig config;
  config.max_live_streams = 1;
  TestServer& server = serve(config);
  const RawClient first = follow(server);
  const std::string request = "GET /board HTTP/1.1\r\nHost: localhost\r\n\r\n";
  RawClient client = server.client();
  client.send(request + request + request + "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (int i = 0; i < 3; ++i) {
    const auto refused = client.reply();
    ASSERT_TRUE(refused) << i;
    EXPECT_TRUE(refused->is_problem("overloaded")) << i;
  }
  const auto last = client.reply();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->body, "qarax");
}

TEST_F(LiveStreamsTest, ADrainSaysFarewell) {
  TestServer& server = serve();
  RawClient client = follow(server);
  server->begin_drain();  // only drains, cuts no connection
  EXPECT_EQ(client.chunked_body(), "bye:shutting-down");
  EXPECT_TRUE(client.at_end());
}

TEST_F(LiveStreamsTest, HeadAndHttp10) {
  TestServer& server = serve();
  RawClient head = server.client();
  const auto only = head.exchange("HEAD /board HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  ASSERT_TRUE(only);
  EXPECT_EQ(only->status, 200);
  EXPECT_EQ(only->header("Content-Length"), "") << "GET has none either";
  EXPECT_EQ(only->header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(head.exchange("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")->body, "qarax");
  RawClient old = server.client();
  const auto reply = old.exchange("GET /board HTTP/1.0\r\nHost: localhost\r\n\r\n", true);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header("Transfer-Encoding"), "");
  say("plain END");
  EXPECT_EQ(old.rest(), "plain END");
}

}  // namespace
}  // namespace qarax::http
