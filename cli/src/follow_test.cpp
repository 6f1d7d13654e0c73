// Replies that go on, and servers that don't.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <sstream>

#include "commands.hpp"
#include "dead_host.hpp"
#include "problem.hpp"
#include "scripted_server.hpp"

namespace qarax::cli {
namespace {

using namespace std::chrono_literals;

ApiClient client_of(const ScriptedServer& server, std::chrono::milliseconds wait = 1h) {
  return {*parse_endpoint(server.url()), "", "", wait};
}

// This process's descriptor that is connected to `port`, -1 if there is none.
int connected_to(std::uint16_t port) {
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_family == AF_INET &&
        ntohs(peer.sin_port) == port)
      return fd;
  }
  return -1;
}

int option_of(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

// An output that fails once a line is written: `events --follow` then ends.
class OneLine final : public std::stringbuf {
 protected:
  int sync() override { return -1; }
};

std::string frame(const std::string& id, const std::string& vm) {
  return "id: " + id + "\nevent: vm.created\ndata: {\"timestamp\":\"now\",\"vm_name\":\"" + vm + "\"}\n\n";
}

TEST(Follow, AServerThatFallsSilentHasBrokenOff) {
  const ScriptedServer server([](const auto&, auto) { return ScriptedServer::stream(": heartbeat\n\n"); });
  std::string seen;
  const auto end = client_of(server).follow("/events", {.silence = 300ms}, [&](std::string_view piece) {
    seen += piece;
    return true;
  });
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().reason, kUnreachable) << end.error().message;
  EXPECT_EQ(exit_code(end.error()), kNotReachable);
  EXPECT_EQ(seen, ": heartbeat\n\n");
}

TEST(Follow, TheEndOfTheWaitForAGuestIsNoBrokenConnection) {
  const ScriptedServer server([](const auto&, auto) { return ScriptedServer::stream("words"); });
  const auto take = [](std::string_view) { return true; };
  ApiClient api = client_of(server);
  const auto end = api.follow("/console", {.until = Clock::now() + 20ms}, take);
  ASSERT_TRUE(end);
  EXPECT_EQ(*end, StreamEnd::timed_out);
  const auto first = api.follow("/console", {.until = Clock::now() + 20ms, .silence = 1h}, take);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, StreamEnd::timed_out);
}

// A host without power sends no end of the connection, so the kernel has to ask for it.
TEST(Follow, TheKernelLooksForADeadHost) {
  const ScriptedServer server([](const auto&, auto) { return ScriptedServer::stream("words"); });
  bool looked = false;
  const auto end = client_of(server).follow("/console", {}, [&](std::string_view) {
    const int fd = connected_to(server.port());
    EXPECT_GE(fd, 0);
    EXPECT_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    const int idle = option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    const int again = option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(fd, IPPROTO_TCP, TCP_KEEPCNT);
    EXPECT_EQ(std::chrono::seconds(idle + again), kHostGone);
    EXPECT_EQ(std::chrono::milliseconds(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT)), kHostGone);
    looked = true;
    return false;
  });
  EXPECT_TRUE(looked && end);
}

TEST(Events, AStreamThatFallsSilentIsTakenUpWhereItWas) {
  const ScriptedServer server([](const std::string&, std::size_t before) {
    return ScriptedServer::stream(before == 0 ? "retry: 1000\nid: 1-5\n\n" : frame("1-6", "web"));
  });
  ApiClient api = client_of(server);
  Arguments arguments;
  arguments.follow = true;
  OneLine line;
  std::ostream out(&line);
  std::ostringstream note;
  const Status done = tell_events({arguments, api, out, note}, 300ms);
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(line.str(), "now  vm.created  web\n");
  const auto asked = server.asked();
  ASSERT_GE(asked.size(), 2u);
  EXPECT_EQ(asked[0], "/events?follow=true");
  EXPECT_EQ(asked[1], "/events?follow=true&after=1-5");
}

// A server that is just starting may take a connection and answer too late.
TEST(Events, NoAnswerInTimeIsNoEndForWhatIsTakenUpAgain) {
  const ScriptedServer server([](const std::string&, std::size_t before) {
    return before == 0 ? std::string() : ScriptedServer::stream(frame("1-6", "web"));
  });
  ApiClient api = client_of(server, 200ms);
  Arguments arguments;
  arguments.follow = true;
  arguments.after = "1-5";
  OneLine line;
  std::ostream out(&line);
  std::ostringstream note;
  const Status done = tell_events({arguments, api, out, note}, 1h);
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(line.str(), "now  vm.created  web\n");
  EXPECT_EQ(server.asked().at(1), "/events?follow=true&after=1-5");
}

}  // namespace
}  // namespace qarax::cli
