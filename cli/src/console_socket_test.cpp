// The end of an attached console, against a server that plays a script.
#include "console_socket.hpp"

#include <Poco/Buffer.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "closing_patience.hpp"

namespace qarax::cli {
namespace {

using Poco::Net::WebSocket;
using Script = std::function<void(WebSocket&)>;

class Handler final : public Poco::Net::HTTPRequestHandler {
 public:
  explicit Handler(const Script& script) : script_(script) {}
  void handleRequest(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) override {
    WebSocket socket(request, response);
    script_(socket);
  }

 private:
  const Script& script_;
};

class Factory final : public Poco::Net::HTTPRequestHandlerFactory {
 public:
  explicit Factory(const Script& script) : script_(script) {}
  Poco::Net::HTTPRequestHandler* createRequestHandler(const Poco::Net::HTTPServerRequest&) override {
    return new Handler(script_);
  }

 private:
  const Script& script_;
};

// Reads until the client's close frame; its code.
int closed_with(WebSocket& socket) {
  for (;;) {
    Poco::Buffer<char> frame(0);
    int flags = 0;
    socket.receiveFrame(frame, flags);
    if (flags == 0) return 0;
    if ((flags & WebSocket::FRAME_OP_BITMASK) != WebSocket::FRAME_OP_CLOSE) continue;
    return static_cast<unsigned char>(frame[0]) * 256 + static_cast<unsigned char>(frame[1]);
  }
}

// How the close ends for a client that has sent `typed`, where the server does `script`.
std::optional<ConsoleSocket::End> end_of(const std::string& typed, const Script& script) {
  const Poco::Net::ServerSocket listener(Poco::Net::SocketAddress("127.0.0.1", 0));
  Poco::Net::HTTPServer server(new Factory(script), listener, new Poco::Net::HTTPServerParams);
  server.start();
  const auto endpoint = parse_endpoint("http://127.0.0.1:" + std::to_string(listener.address().port()));
  const ApiClient api(*endpoint, "", "", std::chrono::milliseconds(20'000));
  std::optional<ConsoleSocket::End> end;
  {
    const auto socket = ConsoleSocket::open(api, "/vms/x/console/attach");
    EXPECT_TRUE(socket) << socket.error().message;
    if (!socket) return std::nullopt;
    if (!typed.empty()) {
      EXPECT_FALSE((*socket)->send(typed));
    }
    end = (*socket)->close();
  }
  server.stopAll();
  return end;
}

TEST(ConsoleSocketClose, TheOwnCodeSaysThatAllHasArrived) {
  EXPECT_FALSE(end_of("halt\n", [](WebSocket& socket) {
    EXPECT_EQ(closed_with(socket), 1000);
    socket.shutdown(1000);
  }));
}

TEST(ConsoleSocketClose, AnotherCodeIsAFailureThatSaysWhy) {
  const auto end = end_of("halt\n", [](WebSocket& socket) {
    closed_with(socket);
    socket.shutdown(1011, "the VM's node was lost");
  });
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, 1011);
  EXPECT_EQ(end->reason, "what was typed may not have reached the guest: the VM's node was lost");
}

TEST(ConsoleSocketClose, AServerThatHangsUpHasConfirmedNothing) {
  const auto end = end_of("halt\n", [](WebSocket& socket) { closed_with(socket); });
  ASSERT_TRUE(end);
  EXPECT_EQ(end->code, ConsoleSocket::End::kBroken);
}

TEST(ConsoleSocketClose, WhatTheGuestSaysMeanwhileIsRead) {
  EXPECT_FALSE(end_of("halt\n", [](WebSocket& socket) {
    closed_with(socket);
    const std::string much(std::size_t{1} << 20, 'x');
    for (int i = 0; i < 8; ++i) socket.sendFrame(much.data(), static_cast<int>(much.size()), WebSocket::FRAME_BINARY);
    socket.shutdown(1000);
  }));
}

TEST(ConsoleSocketClose, WhoIsInterruptedLeavesWithoutAnAnswer) {
  std::promise<void> left;
  const Script script = [&](WebSocket& socket) {
    EXPECT_EQ(closed_with(socket), 1000);
    left.get_future().wait();
  };
  const Poco::Net::ServerSocket listener(Poco::Net::SocketAddress("127.0.0.1", 0));
  Poco::Net::HTTPServer server(new Factory(script), listener, new Poco::Net::HTTPServerParams);
  server.start();
  const auto endpoint = parse_endpoint("http://127.0.0.1:" + std::to_string(listener.address().port()));
  const ApiClient api(*endpoint, "", "", std::chrono::milliseconds(20'000));
  {
    const auto socket = ConsoleSocket::open(api, "/vms/x/console/attach");
    ASSERT_TRUE(socket) << socket.error().message;
    EXPECT_FALSE((*socket)->send("halt\n"));
    (*socket)->leave();
    left.set_value();
  }
  server.stopAll();
}

TEST(ClosingPatience, LastsAsLongAsAnythingMoves) {
  using std::chrono::seconds;
  constexpr auto kStill = ClosingPatience::kStill;
  const ClosingPatience::Clock::time_point noon{};
  ClosingPatience patience(1000, noon);
  EXPECT_FALSE(patience.is_over(noon + kStill - seconds(1)));
  EXPECT_TRUE(patience.is_over(noon + kStill));
  auto now = noon;
  for (std::size_t left = 900; left > 0; left -= 100) {
    now += kStill - seconds(1);
    patience.note(left, false, now);
    EXPECT_FALSE(patience.is_over(now + kStill - seconds(1))) << left;
  }
  patience.note(100, false, now + seconds(5));
  EXPECT_TRUE(patience.is_over(now + kStill)) << "nothing has moved";
  patience.note(100, true, now + kStill);
  EXPECT_FALSE(patience.is_over(now + kStill)) << "the guest still speaks";
}

TEST(ConsoleSocketClose, WhoTypedNothingHasLostNothing) {
  EXPECT_FALSE(end_of("", [](WebSocket& socket) {
    closed_with(socket);
    socket.shutdown(1011, "the VM's node was lost");
  }));
}

}  // namespace
}  // namespace qarax::cli
