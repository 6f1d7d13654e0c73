#include "unix_http_client.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "temp_folder.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin {
namespace {

constexpr std::string_view kOk = "HTTP/1.1 200 \r\nServer: x\r\nContent-Length: 2\r\n\r\n{}";

TEST(ParseHttpReply, EveryPrefixOfAReplyWaitsForMore) {
  for (std::size_t size = 0; size < kOk.size(); ++size) {
    const auto reply = parse_http_reply(kOk.substr(0, size), false);
    ASSERT_TRUE(reply) << size;
    EXPECT_FALSE(*reply) << size;
    const auto cut = parse_http_reply(kOk.substr(0, size), true);
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, Code::unavailable) << size;
  }
  const auto whole = parse_http_reply(kOk, false);
  ASSERT_TRUE(whole && *whole);
  EXPECT_EQ((*whole)->status, 200);
  EXPECT_EQ((*whole)->body, "{}");
}

TEST(ParseHttpReply, NoContentNeedsNoLength) {
  const auto reply = parse_http_reply("HTTP/1.1 204 No Content\r\n\r\n", false);
  ASSERT_TRUE(reply && *reply);
  EXPECT_EQ((*reply)->status, 204);
}

TEST(ParseHttpReply, WithoutALengthTheBodyEndsWithTheConnection) {
  const std::string text = "HTTP/1.0 500 Oops\r\n\r\nwhy";
  EXPECT_FALSE(*parse_http_reply(text, false));
  EXPECT_EQ((*parse_http_reply(text, true))->body, "why");
}

TEST(ParseHttpReply, GarbageIsAnErrorAtOnce) {
  for (const std::string_view text :
       {"SSH-2.0-x", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc \r\n\r\n", "HTTP/1.1 020 \r\n\r\n", "HTTP/1.1 -20 \r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    const auto reply = parse_http_reply(text, false);
    ASSERT_FALSE(reply) << text;
    EXPECT_EQ(reply.error().code, Code::internal) << text;
  }
}

class UnixHttpClientTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (peer_.joinable()) peer_.join();
  }
  // Accepts one connection, reads the head of the request, and runs the test's function.
  void serve(std::function<void(int)> act) {
    auto listening = listen_unix(dir_, "api.sock");
    ASSERT_TRUE(listening);
    peer_ = std::thread([listener = std::move(*listening), act = std::move(act)] {
      const int fd = ::accept(listener.get(), nullptr, nullptr);
      char buffer[4096];
      static_cast<void>(::recv(fd, buffer, sizeof buffer, 0));
      act(fd);
      ::close(fd);
    });
  }
  Result<HttpReply> ask(int most_ms = 5000) {
    qarax_call raw{};
    raw.size = sizeof raw;
    raw.cancel_fd = -1;
    return UnixHttpClient(dir_, "api.sock", "the VMM").request(Call(&raw), "GET", "/x", "", most_ms);
  }
  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::thread peer_;
};

TEST_F(UnixHttpClientTest, AReplyInPiecesIsOneReply) {
  serve([](int fd) {
    for (const char c : kOk) static_cast<void>(::send(fd, &c, 1, MSG_NOSIGNAL));
  });
  const auto reply = ask();
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body, "{}");
}

TEST_F(UnixHttpClientTest, AKeptConnectionTakesNoReplyForAnothersRequest) {
  for (const bool twice : {false, true}) {
    serve([&](int fd) {
      const std::string first = std::string(kOk) + (twice ? std::string(kOk) : std::string());
      static_cast<void>(::send(fd, first.data(), first.size(), MSG_NOSIGNAL));
      char buffer[4096];
      if (::recv(fd, buffer, sizeof buffer, 0) <= 0) return;
      const std::string second = "HTTP/1.1 204 \r\n\r\n";
      static_cast<void>(::send(fd, second.data(), second.size(), MSG_NOSIGNAL));
    });
    qarax_call raw{};
    raw.size = sizeof raw;
    raw.cancel_fd = -1;
    {
      auto connection = UnixHttpClient(dir_, "api.sock", "the VMM").connect();
      ASSERT_TRUE(connection);
      EXPECT_EQ(connection->request(Call(&raw), "GET", "/x", "", 5000)->body, "{}");
      const auto second = connection->request(Call(&raw), "GET", "/y", "", 5000);
      if (twice)
        EXPECT_EQ(second.error().code, Code::internal);
      else
        EXPECT_EQ(second->status, 204);
    }
    peer_.join();
  }
}

TEST_F(UnixHttpClientTest, APeerThatHangsEndsAtTheLimit) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  serve([&](int) {
    char byte = 0;
    static_cast<void>(::read(ends[0], &byte, 1));
  });
  const auto reply = ask(30);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::deadline_exceeded);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  peer_.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(UnixHttpClientTest, APeerThatHangsUpOrIsNotThereSaysSo) {
  const auto nobody = ask();
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, Code::not_found);
  serve([](int fd) { static_cast<void>(::send(fd, kOk.data(), 20, MSG_NOSIGNAL)); });
  const auto cut = ask();
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Code::unavailable);
  EXPECT_NE(cut.error().message.find("in the middle"), std::string::npos) << cut.error().message;
}

}  // namespace
}  // namespace qarax::plugin
