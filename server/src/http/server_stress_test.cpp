// The server against many hostile or unlucky clients at once, and while it stops.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "http/testing/raw_client.hpp"

namespace qarax::http {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::RawClient;
using testing::TestServer;

// Handlers wait here until the test opens it, once.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void enter() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  bool wait_for_waiting(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

class ServerStressTest : public ::testing::Test {
 protected:
  ServerStressTest() {
    raise_descriptor_limit();
    router_.add("GET", "/", [](const Request&) { return Response::text("qarax"); });
    router_.add("POST", "/echo", [](const Request& request) { return Response::text(request.body); });
    router_.add("GET", "/wait", [this](const Request&) {
      gate_.enter();
      return Response::text("waited");
    });
    router_.add("GET", "/stream", [this](const Request&) {
      return Response::streaming("text/plain", [this](StreamSink& sink) {
        sink.write("hello");
        while (sink.wait(60s)) {
        }
        streams_ended_.fetch_add(1);
      });
    });
  }
  // Even after a failed test, the handlers must return before the server can end.
  void TearDown() override {
    gate_.open();
    server_.reset();
  }

  TestServer& serve(ServerConfig config = {}) { return server_.emplace(std::move(config), router_); }

  static std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }

  Router router_;
  Gate gate_;
  std::atomic<int> streams_ended_{0};
  std::optional<TestServer> server_;
};

TEST_F(ServerStressTest, AClientThatSendsByteByByteIsCut) {
  ServerConfig config;
  config.read_timeout = 300ms;
  TestServer& server = serve(config);
  for (const std::string& request :
       {get("/") + std::string(1000, 'x'),
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n" + std::string(4999, 'x'),
        std::string("\r\r\r")}) {
    RawClient client = server.client();
    const bool whole_head = request.size() > 1500;
    std::size_t sent = whole_head ? 100 : 0;
    ASSERT_TRUE(client.send(request.substr(0, sent)));
    // A byte every 20 ms defeats any timeout per read; only a deadline for the whole request ends this.
    const std::string slow = whole_head ? request : "GET /" + std::string(500, 'a');
    while (sent < slow.size() && !client.readable(20ms)) {
      if (!client.send(slow.substr(sent++, 1))) break;
    }
    const auto reply = client.reply();
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->is_problem("request-timeout"));
    EXPECT_LT(sent, slow.size()) << "it was waited for";
    EXPECT_TRUE(client.at_end());
  }
}

TEST_F(ServerStressTest, SlowClientsHoldNoThread) {
  ServerConfig config;
  config.max_threads = 2;
  config.running_threads = 2;
  TestServer& server = serve(config);
  std::vector<RawClient> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(server.client());
    ASSERT_TRUE(slow.back().send(
        i % 2 == 0 ? "GET / HT" : "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"));
  }
  RawClient quick = server.client();
  EXPECT_EQ(quick.exchange(get("/"))->body, "qarax");
  ASSERT_TRUE(slow[0].send("TP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_EQ(slow[0].reply()->body, "qarax");
  ASSERT_TRUE(slow[1].send("defghi"));
  EXPECT_EQ(slow[1].reply()->body, "abcdefghi");
}

TEST_F(ServerStressTest, IdleConnectionsAreClosedQuietly) {
  ServerConfig config;
  config.idle_timeout = 100ms;
  config.linger = 10ms;
  TestServer& server = serve(config);
  RawClient never = server.client();
  EXPECT_TRUE(never.at_end());
  // On a busy machine this thread may be so late with its request that the server has closed the connection as idle;
  // then try another connection.
  EXPECT_TRUE(eventually([&] {
    RawClient once = server.client();
    const auto reply = once.exchange(get("/"));
    return reply && reply->status == 200 && once.at_end();
  }));
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(ServerStressTest, HangUpsCostNothing) {
  TestServer& server = serve();
  const std::string post =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + std::string(5000, 'x');
  for (int i = 0; i < 200; ++i) {
    RawClient client = server.client();
    const std::string whole = i % 2 == 0 ? get("/") : post;
    ASSERT_TRUE(client.send(whole.substr(0, static_cast<std::size_t>(i) * whole.size() / 200)));
    if (i % 3 == 0) client.reset();
  }
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
  RawClient client = server.client();
  EXPECT_EQ(client.exchange(get("/"))->body, "qarax");
}

TEST_F(ServerStressTest, AHangUpWhileTheHandlerRunsIsSurvived) {
  TestServer& server = serve();
  for (int i = 0; i < 20; ++i) {
    RawClient client = server.client();
    ASSERT_TRUE(client.send(get("/wait")));
    ASSERT_TRUE(gate_.wait_for_waiting(i + 1));
    client.reset();
  }
  gate_.open();
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(ServerStressTest, AThousandConnectionsAtOnce) {
  TestServer& server = serve();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(server.client());
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  for (int round = 0; round < 3; ++round) {
    for (RawClient& client : clients) ASSERT_TRUE(client.send(get("/")));
    for (RawClient& client : clients) {
      const auto reply = client.reply();
      ASSERT_TRUE(reply);
      ASSERT_EQ(reply->body, "qarax");
    }
  }
  EXPECT_EQ(server->connections(), 1000U);
}

// A GET handler counts as quick until it turns out to wait; a POST handler is known to wait.
TEST_F(ServerStressTest, ThreeHundredBlockedHandlersDontBlockTheRest) {
  router_.add("POST", "/wait", [this](const Request&) {
    gate_.enter();
    return Response::text("waited");
  });
  TestServer& server = serve();
  std::vector<RawClient> blocked;
  for (int i = 0; i < 300; ++i) {
    blocked.push_back(server.client());
    ASSERT_TRUE(blocked.back().send((i % 2 == 0 ? "GET" : "POST") + get("/wait").substr(3)));
  }
  ASSERT_TRUE(gate_.wait_for_waiting(300));
  RawClient quick = server.client();
  EXPECT_EQ(quick.exchange(get("/"))->body, "qarax");
  gate_.open();
  for (RawClient& client : blocked) EXPECT_EQ(client.reply()->body, "waited");
}

TEST_F(ServerStressTest, IdleConnectionsHoldNoThreadAndLittleMemory) {
  const auto threads = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word && word != "Threads:") {
    }
    int count = 0;
    status >> count;
    return count;
  };
  ServerConfig config;
  config.worker_idle = 50ms;
  config.linger = 10ms;
  TestServer& server = serve(config);
  std::vector<RawClient> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(server.client());
    ASSERT_EQ(clients.back().exchange(get("/"))->status, 200);
  }
  EXPECT_EQ(server->connections(), 500U);
  EXPECT_TRUE(eventually([&] { return threads() <= 6; })) << threads();
  for (RawClient& client : clients) EXPECT_EQ(client.exchange(get("/"))->status, 200);
}

TEST_F(ServerStressTest, AtTheLimitTheOldestIdleConnectionGoes) {
  ServerConfig config;
  config.max_connections = 3;
  config.linger = 1ms;
  TestServer& server = serve(config);
  RawClient first = server.client();
  EXPECT_EQ(first.exchange(get("/"))->status, 200);
  RawClient second = server.client();
  ASSERT_TRUE(second.send(get("/wait")));
  RawClient third = server.client();
  ASSERT_TRUE(third.send(get("/wait")));
  ASSERT_TRUE(gate_.wait_for_waiting(2));
  ASSERT_TRUE(eventually([&] { return server->connections() == 3; }));
  // The first connection may still linger with its worker; then it can't be evicted yet and the newcomer gets a 503.
  bool served = false;
  ASSERT_TRUE(eventually([&] {
    RawClient fourth = server.client();
    const auto reply = fourth.exchange(get("/"));
    served = reply && reply->status == 200;
    return served;
  }));
  EXPECT_TRUE(first.at_end());
  // Now all connections are busy.
  ASSERT_TRUE(eventually([&] { return server->connections() == 2; }));
  RawClient fifth = server.client();
  ASSERT_TRUE(fifth.send(get("/wait")));
  ASSERT_TRUE(gate_.wait_for_waiting(3));
  RawClient sixth = server.client();
  const auto refused = sixth.reply();
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->is_problem("overloaded"));
  EXPECT_EQ(refused->header("Retry-After"), "1");
  gate_.open();
}

TEST_F(ServerStressTest, PendingBodiesAreBounded) {
  ServerConfig config;
  config.max_pending_bodies = 250'000;
  TestServer& server = serve(config);
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
  const std::string body(100'000, 'x');
  const auto held = [&](std::int64_t bytes) { return eventually([&] { return server->pending_bodies() == bytes; }); };
  RawClient first = server.client();
  RawClient second = server.client();
  ASSERT_TRUE(first.send(head + body.substr(1)));
  ASSERT_TRUE(second.send(head + body.substr(1)));
  ASSERT_TRUE(held(2 * 99'999));
  const auto refused = server.client().exchange(head + body);
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->is_problem("overloaded"));
  ASSERT_TRUE(held(2 * 99'999)) << "what was refused takes no room";
  const auto whole = first.exchange("x");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->body.size(), 100'000U);
  ASSERT_TRUE(held(99'999));
  const auto fits = server.client().exchange(head + body);
  ASSERT_TRUE(fits);
  EXPECT_EQ(fits->body.size(), 100'000U);
  second.close();
  EXPECT_TRUE(held(0)) << "who hung up takes none";
}

// The limit on large replies relies on this.
TEST_F(ServerStressTest, AReplyKeepsWhatItHoldsUntilItIsSentOrItsClientIsGone) {
  std::atomic<int> held{0};
  router_.add("GET", "/large", [&](const Request&) {
    Response response = Response::text(std::string(32u << 20, 'x'));
    ++held;
    response.holds = std::shared_ptr<void>(nullptr, [&](void*) { --held; });
    return response;
  });
  TestServer& server = serve();
  RawClient slow = server.client();
  RawClient gone = server.client();
  ASSERT_TRUE(slow.send(get("/large")));
  ASSERT_TRUE(gone.send(get("/large")));
  ASSERT_TRUE(slow.readable(20s));
  ASSERT_TRUE(gone.readable(20s));
  EXPECT_EQ(server.client().exchange(get("/"))->body, "qarax");
  EXPECT_EQ(held, 2);
  gone.close();
  EXPECT_TRUE(eventually([&] { return held == 1; }));
  const auto whole = slow.reply();
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->body.size(), 32u << 20);
  EXPECT_TRUE(eventually([&] { return held == 0; })) << "though the connection is kept";
}

TEST_F(ServerStressTest, ABodyThatIsOnlyAnnouncedTakesNoRoom) {
  ServerConfig config;
  config.max_pending_bodies = 250'000;
  TestServer& server = serve(config);
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n";
  std::vector<RawClient> idle;
  for (int i = 0; i < 8; ++i) {
    idle.push_back(server.client());
    ASSERT_EQ(idle.back().exchange(head, true)->status, 100);
  }
  EXPECT_EQ(idle.back().exchange(std::string(100'000, 'x'))->body.size(), 100'000U);
}

TEST_F(ServerStressTest, StreamsAreBoundedAndStopWithTheServer) {
  ServerConfig config;
  config.max_streams = 2;
  TestServer& server = serve(config);
  RawClient first = server.client();
  RawClient second = server.client();
  ASSERT_EQ(first.exchange(get("/stream"), true)->status, 200);
  ASSERT_EQ(second.exchange(get("/stream"), true)->status, 200);
  RawClient third = server.client();
  const auto refused = third.exchange(get("/stream"));
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->is_problem("overloaded"));
  EXPECT_EQ(third.exchange(get("/"))->body, "qarax");  // the connection is still good
  first.reset();
  EXPECT_TRUE(eventually([&] { return streams_ended_ == 1; }));
  // The stream ends by itself and isn't cut: only the drain has begun.
  server->begin_drain();
  EXPECT_TRUE(eventually([&] { return streams_ended_ == 2; }));
  EXPECT_TRUE(server->stop(5s));
}

TEST_F(ServerStressTest, DrainFinishesWhatIsInFlight) {
  TestServer& server = serve();
  RawClient idle = server.client();
  RawClient kept = server.client();
  EXPECT_EQ(kept.exchange(get("/"))->status, 200);
  RawClient busy = server.client();
  ASSERT_TRUE(busy.send(get("/wait")));
  ASSERT_TRUE(gate_.wait_for_waiting(1));
  server->begin_drain();
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(kept.at_end());
  EXPECT_TRUE(eventually([&] { return !server.client().connected(); }));
  gate_.open();
  const auto reply = busy.reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, "waited");
  EXPECT_EQ(reply->header("Connection"), "close");
  EXPECT_TRUE(busy.at_end());
  EXPECT_TRUE(server->stop(5s));
}

TEST_F(ServerStressTest, ADrainDoesntWaitForEverForASlowSender) {
  ServerConfig config;
  config.read_timeout = config.idle_timeout = 600s;
  TestServer& server = serve(config);
  RawClient slow = server.client();
  ASSERT_TRUE(slow.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc"));
  ASSERT_TRUE(eventually([&] { return server->pending_bodies() == 3; }));
  server->begin_drain();
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; })) << "ended by the drain, before anything is cut";
}

TEST_F(ServerStressTest, AStuckHandlerIsReportedAtTheDeadline) {
  TestServer& server = serve();
  RawClient stuck = server.client();
  ASSERT_TRUE(stuck.send(get("/wait")));
  ASSERT_TRUE(gate_.wait_for_waiting(1));
  EXPECT_FALSE(server->stop(100ms));
  EXPECT_TRUE(stuck.at_end());  // cut, although its handler still runs
  gate_.open();
}

}  // namespace
}  // namespace qarax::http
