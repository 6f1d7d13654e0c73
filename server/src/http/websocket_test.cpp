// WebSockets over real connections: handshakes, both directions, and every way in which one can end.
#include "http/websocket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "http/testing/socket_frames.hpp"
#include "http/testing/wire_peer.hpp"
#include "http/websocket_handshake.hpp"

namespace qarax::http {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::masked;
using testing::next_frame;
using testing::RawClient;
using testing::TestServer;
using testing::Wire;
using testing::WirePeer;

const std::string kKey = "dGhlIHNhbXBsZSBub25jZQ==";

std::string handshake(const std::string& more = "", const std::string& version = "13", const std::string& key = kKey) {
  return "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
         "Sec-WebSocket-Version: " +
         version + "\r\nSec-WebSocket-Key: " + key + "\r\n" + more + "\r\n";
}

class WebSocketTest : public ::testing::Test {
 protected:
  WebSocketTest() {
    router_.add("GET", "/socket", [this](const Request& request) {
      if (auto refusal = refuse_handshake(request)) return std::move(*refusal);
      return accept_handshake(request, std::make_shared<WebSocket>(std::make_unique<WirePeer>(wire_), limits_));
    });
    router_.add("GET", "/other", [this](const Request& request) {
      return accept_handshake(request, std::make_shared<WebSocket>(std::make_unique<WirePeer>(other_), limits_));
    });
  }
  void serve(ServerConfig config = {}) { server_.emplace(std::move(config), router_); }
  RawClient connect(const std::string& behind = "") {
    RawClient client = server_->client();
    const auto head = client.exchange(handshake() + behind, true);
    EXPECT_TRUE(head && head->status == 101) << (head ? head->head : "no answer");
    return client;
  }
  // Returns when the thread of the streams has seen whatever happened before this call.
  void let_it_be_seen() {
    RawClient client = server_->client();
    std::string request = handshake();
    request.replace(request.find("/socket"), 7, "/other");
    const auto head = client.exchange(request, true);
    EXPECT_TRUE(head && head->status == 101);
    client.send(masked(Opcode::ping, ""));
    EXPECT_TRUE(next_frame(client));
  }
  // The code of the close frame; skips the frames before it.
  static int code(RawClient& client) {
    while (auto frame = next_frame(client))
      if (frame->opcode == Opcode::close) return frame->code();
    return -1;
  }

  Wire wire_;
  Wire other_;
  SocketLimits limits_;
  Router router_;
  std::optional<TestServer> server_;
};

TEST_F(WebSocketTest, TheHandshakeIsTheRfcsExample) {
  serve();
  RawClient client = server_->client();
  const auto head = client.exchange(handshake(), true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 101);
  EXPECT_EQ(head->header("Upgrade"), "websocket");
  EXPECT_EQ(head->header("Connection"), "Upgrade");
  EXPECT_EQ(head->header("Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(head->header("Transfer-Encoding"), "");
  EXPECT_EQ(head->header("Content-Length"), "");
}

TEST_F(WebSocketTest, WhatIsNoHandshakeIsRefusedAndTheConnectionGoesOn) {
  serve();
  RawClient client = server_->client();
  const auto plain = client.exchange("GET /socket HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->status, 426);
  EXPECT_TRUE(plain->is_problem("upgrade-required"));
  EXPECT_EQ(plain->header("Upgrade"), "websocket");
  const auto old = client.exchange(handshake("", "8"));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->status, 426);
  EXPECT_EQ(old->header("Sec-WebSocket-Version"), "13");
  EXPECT_TRUE(old->has("'8'"));
  for (const std::string key : {"", "short", "dGhlIHNhbXBsZSBub25jZQ=!", "dGhlIHNhbXBsZSBub25jZSEh"}) {
    const auto bad = client.exchange(handshake("", "13", key));
    ASSERT_TRUE(bad);
    EXPECT_EQ(bad->status, 400) << key;
  }
  const auto foreign = client.exchange(handshake("Origin: https://evil.example\r\n"));
  ASSERT_TRUE(foreign);
  EXPECT_EQ(foreign->status, 403);
  EXPECT_EQ(wire_.open, 0);
}

TEST_F(WebSocketTest, BytesGoBothWaysAndWhatCameBehindTheHeadToo) {
  serve();
  RawClient client = connect(masked(Opcode::text, "early "));
  client.send(masked(Opcode::binary, "and late"));
  EXPECT_TRUE(wire_.has_heard("early and late"));
  wire_.say("answer");
  const auto frame = next_frame(client);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->opcode, Opcode::binary);
  EXPECT_EQ(frame->payload, "answer");
  client.send(masked(Opcode::ping, "are you there"));
  const auto pong = next_frame(client);
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->opcode, Opcode::pong);
  EXPECT_EQ(pong->payload, "are you there");
}

TEST_F(WebSocketTest, TheEndBehindComesAfterTheLastBytesAndWaitsForTheClientsClose) {
  serve();
  RawClient client = connect();
  wire_.change([&] {
    wire_.to_client = "last words";
    wire_.end = SocketClose{1000, "it is over"};
  });
  EXPECT_EQ(next_frame(client)->payload, "last words");
  const auto close = next_frame(client);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->code(), 1000);
  EXPECT_EQ(close->payload.substr(2), "it is over");
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
  client.send(masked(Opcode::binary, "typed meanwhile"));
  EXPECT_EQ((*server_)->connections(), 1U);
  client.send(masked(Opcode::close, close->payload));
  EXPECT_TRUE(client.at_end());
}

TEST_F(WebSocketTest, TheClientsCloseIsAnsweredWhenItsInputHasArrived) {
  wire_.ends_with_input = false;
  limits_.closing = 1h;
  serve();
  RawClient client = connect();
  client.send(masked(Opcode::binary, "halt\n") + masked(Opcode::close,
                                                        "\x03\xe8"
                                                        "bye"));
  EXPECT_TRUE(wire_.has_heard("halt\n"));
  EXPECT_FALSE(client.readable(50ms));
  wire_.change([&] { wire_.end = SocketClose{1000, "all of it"}; });
  const auto close = next_frame(client);
  ASSERT_TRUE(close);
  EXPECT_EQ(close->payload,
            "\x03\xe8"
            "bye")
      << "the client's own";
  EXPECT_TRUE(client.at_end());
}

TEST_F(WebSocketTest, AClosingIsNotWaitedForForever) {
  wire_.ends_with_input = false;
  limits_.closing = 20ms;
  serve();
  RawClient client = connect();
  client.send(masked(Opcode::close, ""));
  EXPECT_EQ(next_frame(client)->opcode, Opcode::close);
  EXPECT_TRUE(client.at_end());
  RawClient deaf = connect();
  wire_.change([&] { wire_.end = SocketClose{1000, ""}; });
  EXPECT_EQ(code(deaf), 1000);
  EXPECT_TRUE(deaf.at_end());
}

TEST_F(WebSocketTest, InputOfWhichNobodyKnowsWhetherItArrivedIsNoCleanClose) {
  wire_.ends_with_input = false;
  limits_.closing = 20ms;
  serve();
  const std::string typed_and_closed = masked(Opcode::binary, "halt\n") + masked(Opcode::close, "\x03\xe8");
  RawClient client = connect(typed_and_closed);
  const auto late = next_frame(client);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->code(), 1011);
  EXPECT_NE(late->payload.find("input"), std::string::npos) << late->payload;
  EXPECT_TRUE(client.at_end());
  wire_.end = SocketClose{1011, "the node was lost"};
  RawClient unlucky = connect(typed_and_closed);
  const auto lost = next_frame(unlucky);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->code(), 1011);
  EXPECT_EQ(lost->payload.substr(2), "the node was lost");
  RawClient reader = connect(masked(Opcode::close, "\x03\xe8"));
  EXPECT_EQ(code(reader), 1000) << "it had typed nothing";
}

TEST_F(WebSocketTest, InputThatIsLeftAtTheEndBehindIsNoCleanClose) {
  wire_.ends_with_input = false;
  for (const std::size_t left : {std::size_t{3}, std::size_t{0}}) {
    wire_.end.reset();
    wire_.unsent = left;
    WebSocket socket(std::make_unique<WirePeer>(wire_), limits_);
    const auto now = WebSocket::Clock::now();
    socket.begin([] {}, now);
    socket.receive(masked(Opcode::binary, "halt\n") + masked(Opcode::close, "\x03\xe8"), now);
    wire_.end = SocketClose{1000, "the guest's console has ended"};
    std::string out;
    EXPECT_FALSE(socket.pull(out));
    EXPECT_EQ(out.substr(2, 2), left == 0 ? "\x03\xe8" : "\x03\xf3") << left;
  }
}

// Without a server: the clock is the test's.
TEST_F(WebSocketTest, TheDeadlineOfAClosingMovesWithItsInput) {
  wire_.ends_with_input = false;
  wire_.unsent = 100;
  WebSocket socket(std::make_unique<WirePeer>(wire_), limits_);
  const auto past = WebSocket::Clock::now() - 1h;
  socket.begin([] {}, past);
  socket.receive(masked(Opcode::binary, "halt\n") + masked(Opcode::close, "\x03\xe8"), past);
  const auto first = past + limits_.closing;
  EXPECT_EQ(socket.due(), first);
  std::string out;
  EXPECT_TRUE(socket.pull(out));
  EXPECT_EQ(socket.due(), first) << "nothing has moved";
  wire_.unsent = 60;
  EXPECT_TRUE(socket.pull(out));
  EXPECT_GT(socket.due(), first);
  const auto second = socket.due();
  wire_.unsent = 20;
  EXPECT_TRUE(socket.pass_time(second, out)) << "it moved since the last look";
  EXPECT_EQ(socket.due(), second + limits_.closing) << "from then on, not from some other clock's time";
  EXPECT_EQ(out, "");
  EXPECT_FALSE(socket.pass_time(socket.due() + limits_.closing, out));
  EXPECT_EQ(out.substr(2, 2), "\x03\xf3");
}

// A guest that reads slowly takes a while for what isn't seen here any more.
TEST_F(WebSocketTest, MoreThanAPersonTypesIsWaitedForLonger) {
  wire_.ends_with_input = false;
  for (const std::size_t size : {std::size_t{4096}, std::size_t{4097}}) {
    WebSocket socket(std::make_unique<WirePeer>(wire_), limits_);
    const auto now = WebSocket::Clock::now();
    socket.begin([] {}, now);
    socket.receive(masked(Opcode::binary, std::string(size, 'x')) + masked(Opcode::close, "\x03\xe8"), now);
    EXPECT_EQ(socket.due(), now + (size > 4096 ? limits_.closing_bulk : limits_.closing));
  }
}

TEST_F(WebSocketTest, WhatWasSentBeforeTheClientClosedItsSideIsReadWhenThereIsRoom) {
  wire_.has_room = false;
  limits_.closing = 1h;
  serve();
  RawClient client = connect();
  client.send(masked(Opcode::binary, "held back") + masked(Opcode::close, "\x03\xe8"));
  ::shutdown(client.fd(), SHUT_WR);
  let_it_be_seen();
  EXPECT_EQ(wire_.open, 1);
  wire_.change([&] { wire_.has_room = true; });
  EXPECT_EQ(code(client), 1000);
  EXPECT_TRUE(wire_.has_heard("held back"));
}

TEST_F(WebSocketTest, AClientThatLeavesIsNotWaitedForButItsInputIs) {
  wire_.ends_with_input = false;
  limits_.closing = 1h;
  serve();
  {
    RawClient client = connect();
    client.send(masked(Opcode::binary, "halt\n"));
  }
  EXPECT_TRUE(wire_.has_heard("halt\n"));
  let_it_be_seen();
  EXPECT_EQ(wire_.open, 1) << "the node may not have it yet";
  wire_.change([&] { wire_.end = SocketClose{1000, ""}; });
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
}

TEST_F(WebSocketTest, AClientThatBreaksTheProtocolIsToldAndEnded) {
  serve();
  RawClient client = connect();
  client.send("\x82\x01x");
  EXPECT_EQ(code(client), 1002);
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
  limits_.max_message = 10;
  RawClient big = connect();
  big.send(masked(Opcode::binary, "more than that") + std::string(100'000, 'x'));
  EXPECT_EQ(code(big), 1009);
}

TEST_F(WebSocketTest, AClientThatDoesNotAnswerPingsIsCut) {
  limits_.ping_every = 50ms;
  serve();
  RawClient deaf = connect();
  EXPECT_EQ(next_frame(deaf)->opcode, Opcode::ping);
  EXPECT_TRUE(deaf.at_end());
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
  RawClient alive = connect();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(next_frame(alive)->opcode, Opcode::ping);
    alive.send(masked(Opcode::pong, ""));
  }
  EXPECT_EQ(wire_.open, 1);
}

TEST_F(WebSocketTest, AVanishedClientIsNoticedAtOnceWhereTcpTells) {
  serve();
  RawClient polite = connect();
  polite.close();
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
  wire_.change([&] { wire_.end.reset(); });
  RawClient rude = connect();
  rude.reset();
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
}

TEST_F(WebSocketTest, WhatHasNoRoomWaitsAtTheClient) {
  wire_.has_room = false;
  limits_.ping_every = 20ms;
  serve();
  RawClient client = connect();
  client.send(masked(Opcode::binary, "held back"));
  wire_.say("still talking");
  EXPECT_EQ(next_frame(client)->payload, "still talking");
  EXPECT_FALSE(client.readable(100ms)) << "nobody is cut for a pong that isn't read";
  {
    const std::lock_guard lock(wire_.mutex);
    EXPECT_EQ(wire_.from_client, "");
  }
  wire_.change([&] { wire_.has_room = true; });
  EXPECT_TRUE(wire_.has_heard("held back"));
}

TEST_F(WebSocketTest, AReaderThatTakesNothingIsCutAndTheOtherGoesOn) {
  ServerConfig config;
  config.write_timeout = 100ms;
  serve(config);
  RawClient stuck = connect();
  const std::string much(std::size_t{32} << 20, 'x');  // more than the socket buffers hold
  wire_.say(much);
  EXPECT_TRUE(eventually([&] { return wire_.open == 0; }));
  const std::lock_guard lock(wire_.mutex);
  EXPECT_GT(wire_.to_client.size(), much.size() / 4) << "what isn't read is not taken either";
}

TEST_F(WebSocketTest, TheServersEndIsToldAndWaitsForNobody) {
  serve();
  RawClient one = connect();
  (*server_)->begin_drain();
  EXPECT_EQ(code(one), 1001);
  EXPECT_TRUE(one.at_end());
  EXPECT_TRUE((*server_)->stop(5s));
  EXPECT_EQ(wire_.open, 0);
}

}  // namespace
}  // namespace qarax::http
