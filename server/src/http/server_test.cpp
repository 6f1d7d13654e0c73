// The server over real sockets: behaviour that every client relies on.
#include "http/server.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <stdexcept>
#include <vector>

#include "http/json_body.hpp"
#include "http/problem.hpp"
#include "http/testing/raw_client.hpp"
#include "qarax/core/sha256.hpp"

namespace qarax::http {
namespace {

using testing::RawClient;
using testing::Reply;
using testing::TestServer;

constexpr std::size_t kBig = 12'000'000;

class Recorder : public RequestObserver {
 public:
  void answered(std::string_view method, std::string_view route, int status, double seconds) override {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::string(method) + " " + std::string(route) + " " + std::to_string(status));
    sane_ = sane_ && seconds >= 0 && seconds < 60;
  }
  std::vector<std::string> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  bool sane() const { return sane_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
  bool sane_ = true;
};

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    router_.add("GET", "/", [](const Request&) { return Response::text("qarax"); });
    router_.add("GET", "/vms/{id}", [](const Request& request) {
      return Response::json("{\"id\":\"" + std::string(request.param("id")) + "\"}");
    });
    router_.add("POST", "/echo", [](const Request& request) { return Response::text(request.body, 201); });
    router_.add("POST", "/json", [](const Request& request) {
      if (const Status checked = check_json_body(request); !checked)
        return problem_response(request, Problem(checked.error()));
      return Response::empty(204);
    });
    router_.add("GET", "/big", [](const Request&) { return Response::text(std::string(kBig, 'b')); });
    router_.add("GET", "/throws", [](const Request&) -> Response { throw std::runtime_error("boom"); });
    router_.add(
        "GET", "/livez", [](const Request&) { return Response::text("ok"); }, Access::open);
    router_.add("GET", "/peer", [](const Request& request) { return Response::text(request.peer); });
    router_.add("GET", "/stream", [](const Request&) {
      return Response::streaming("text/event-stream", [](StreamSink& sink) {
        for (int i = 0; i < 3; ++i) sink.write("data: " + std::to_string(i) + "\n\n");
      });
    });
    router_.add("GET", "/broken-stream", [](const Request&) {
      return Response::streaming("text/plain", [](StreamSink& sink) {
        sink.write("begun");
        throw std::runtime_error("boom");
      });
    });
  }

  static std::string get(std::string_view path, std::string_view fields = "") {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
  }
  static std::string post(std::string_view path, std::string_view body, std::string_view fields = "") {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(fields) + "\r\n" + std::string(body);
  }
  Reply one(std::string_view request) {
    if (!server_) server_.emplace(ServerConfig{}, router_, nullptr, &recorder_);
    RawClient client = server_->client();
    return client.exchange(request).value_or(Reply{});
  }

  Router router_;
  Recorder recorder_;
  std::optional<TestServer> server_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  TestServer server({}, router_, nullptr, &recorder_);
  RawClient client = server.client();
  for (int i = 0; i < 3; ++i) {
    const auto reply = client.exchange(get("/vms/" + std::to_string(i)));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->header("Content-Type"), "application/json");
    EXPECT_EQ(reply->body, "{\"id\":\"" + std::to_string(i) + "\"}");
    EXPECT_EQ(reply->header("Date").size(), 29U);
  }
  EXPECT_EQ(client.exchange(get("/peer"))->body.substr(0, 10), "127.0.0.1:");
  client.exchange(get("/nope"));
  EXPECT_TRUE(server->stop(std::chrono::seconds(5)));
  const auto seen = recorder_.seen();
  ASSERT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen[0], "GET /vms/{id} 200");
  EXPECT_EQ(seen[4], "GET  404");
  EXPECT_TRUE(recorder_.sane());
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server({}, router_);
  RawClient client = server.client();
  std::string all;
  for (int i = 0; i < 50; ++i) all += i % 2 == 0 ? get("/vms/" + std::to_string(i)) : post("/echo", std::to_string(i));
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    const auto reply = client.reply();
    ASSERT_TRUE(reply) << i;
    EXPECT_EQ(reply->body, i % 2 == 0 ? "{\"id\":\"" + std::to_string(i) + "\"}" : std::to_string(i));
  }
}

TEST_F(ServerTest, BodiesComeInAnyPieces) {
  TestServer server({}, router_);
  RawClient client = server.client();
  const std::string body(100'000, 'x');
  ASSERT_TRUE(client.send(post("/echo", body).substr(0, 50'000)));
  ASSERT_TRUE(client.send(post("/echo", body).substr(50'000)));
  EXPECT_EQ(client.reply()->body, body);
  const auto chunked = client.exchange(
      "POST /echo HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  EXPECT_EQ(chunked->status, 403);  // a foreign Host; the connection ends after the answer
  RawClient again = server.client();
  const auto reply = again.exchange(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
      get("/"));
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->body, "abcde");
  EXPECT_EQ(again.reply()->body, "qarax");
}

TEST_F(ServerTest, ExpectContinueIsAnswered) {
  TestServer server({}, router_);
  RawClient client = server.client();
  const auto interim = client.exchange(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", true);
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  EXPECT_EQ(client.exchange("abc")->body, "abc");
  const auto refused = client.exchange(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused->status, 413);
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  TestServer server({}, router_);
  RawClient client = server.client();
  const auto reply = client.exchange("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->header("Content-Length"), "5");
  EXPECT_EQ(client.exchange(get("/"))->body, "qarax");  // the HEAD reply had no body in between
}

TEST_F(ServerTest, OptionsAndWrongMethods) {
  const Reply options = one("OPTIONS /vms/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(options.header("Content-Length"), "");
  EXPECT_EQ(one("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 204);
  EXPECT_EQ(one("OPTIONS /nope HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 404);
  const Reply wrong = one(post("/vms/1", "{}"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_TRUE(wrong.is_problem("method-not-allowed"));
  EXPECT_TRUE(one("TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n").is_problem("method-not-allowed"));
}

TEST_F(ServerTest, EveryRefusalIsAProblem) {
  EXPECT_TRUE(one(get("/vms/")).is_problem("route-not-found"));
  EXPECT_TRUE(one(get("/vms/%00")).is_problem("bad-path"));
  EXPECT_TRUE(one(get("/vms/../hosts")).is_problem("bad-path"));
  EXPECT_TRUE(one("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n").is_problem("version-unsupported"));
  EXPECT_TRUE(one("garbage\r\n\r\n").is_problem("bad-request"));
  EXPECT_TRUE(one(get("/", "X: " + std::string(20'000, 'x') + "\r\n")).is_problem("header-too-large"));
  EXPECT_TRUE(one(get("/" + std::string(9'000, 'x'))).is_problem("uri-too-long"));
  EXPECT_TRUE(one(post("/json", "<x/>", "Content-Type: text/xml\r\n")).is_problem("unsupported-media-type"));
  const Reply failed = one(get("/throws"));
  EXPECT_TRUE(failed.is_problem("internal"));
  EXPECT_FALSE(failed.has("boom"));  // the cause goes to the log only
}

TEST_F(ServerTest, RequestIdsAreEchoedOrMade) {
  EXPECT_EQ(one(get("/", "X-Request-Id: mine-17\r\n")).header("X-Request-Id"), "mine-17");
  EXPECT_EQ(one(get("/%00", "x-request-id: mine-18\r\n")).header("X-Request-Id"), "mine-18");
  for (const std::string& bad : {std::string("a b"), std::string("\xc3\xbc"), std::string(129, 'x'), std::string()}) {
    const std::string made = one(get("/", "X-Request-Id: " + bad + "\r\n")).header("X-Request-Id");
    EXPECT_EQ(made.size(), 36U) << bad;
  }
  EXPECT_EQ(one("garbage\r\n\r\n").header("X-Request-Id").size(), 36U);
}

TEST_F(ServerTest, ForeignHostsAndOriginsAreRefused) {
  const Reply host = one("GET /livez HTTP/1.1\r\nHost: rebound.example:8000\r\nX-Request-Id: h1\r\n\r\n");
  EXPECT_TRUE(host.is_problem("forbidden-host"));
  EXPECT_EQ(host.header("X-Request-Id"), "h1");
  EXPECT_TRUE(one("GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").is_problem("forbidden-host"));
  EXPECT_TRUE(one(post("/echo", "x", "Origin: https://evil.example\r\n")).is_problem("forbidden-origin"));
  EXPECT_TRUE(one(post("/echo", "x", "Origin: http://localhost:5173\r\n")).is_problem("forbidden-origin"));
  EXPECT_EQ(one(post("/echo", "x", "Origin: http://localhost\r\n")).status, 201);
  EXPECT_EQ(one("GET / HTTP/1.0\r\n\r\n").status, 200);
}

TEST_F(ServerTest, TokensGuardAllButOpenRoutes) {
  const TokenAuthenticator authenticator({*core::sha256_hex("secret")});
  TestServer server({}, router_, &authenticator);
  RawClient client = server.client();
  EXPECT_EQ(client.exchange(get("/livez"))->status, 200);
  const auto refused = client.exchange(get("/vms/1"));
  EXPECT_TRUE(refused->is_problem("unauthorized"));
  EXPECT_EQ(refused->header("WWW-Authenticate"), "Bearer realm=\"qarax\"");
  EXPECT_EQ(client.exchange(get("/nope"))->status, 401);  // without a token the answer doesn't tell which routes exist
  EXPECT_EQ(client.exchange(get("/vms/1", "Authorization: Bearer wrong\r\n"))->status, 401);
  EXPECT_EQ(client.exchange(post("/echo", "skipped"))->status, 401);
  EXPECT_EQ(client.exchange(get("/vms/1", "Authorization: Bearer secret\r\n"))->status, 200);
}

TEST_F(ServerTest, AnOpenRouteKnowsWhetherItsCallerHasCredentials) {
  router_.add(
      "GET", "/who", [](const Request& request) { return Response::text(request.is_authenticated ? "ours" : "any"); },
      Access::open);
  const TokenAuthenticator authenticator({*core::sha256_hex("secret")});
  TestServer server({}, router_, &authenticator);
  RawClient client = server.client();
  EXPECT_EQ(client.exchange(get("/who"))->body, "any");
  EXPECT_EQ(client.exchange(get("/who", "Authorization: Bearer secret\r\n"))->body, "ours");
  EXPECT_EQ(client.exchange(get("/who", "Authorization: Bearer wrong\r\n"))->body, "any");
  EXPECT_EQ(client.exchange(get("/vms/1", "Authorization: Bearer secret\r\n"))->status, 200);
  TestServer without_token({}, router_);
  EXPECT_EQ(without_token.client().exchange(get("/who"))->body, "ours");
}

TEST_F(ServerTest, OversizeBodiesAreRefusedAndTheAnswerArrives) {
  ServerConfig config;
  config.max_body = 1000;
  TestServer server(config, router_);
  RawClient sized = server.client();
  const auto reply = sized.exchange(post("/echo", std::string(200'000, 'x')));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->is_problem("body-too-large"));
  EXPECT_EQ(reply->header("Connection"), "close");
  RawClient chunked = server.client();
  const auto second = chunked.exchange(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'));
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->is_problem("body-too-large"));
  RawClient fits = server.client();
  EXPECT_EQ(fits.exchange(post("/echo", std::string(1000, 'x')))->status, 201);
}

TEST_F(ServerTest, BigRepliesReachSlowReaders) {
  TestServer server({}, router_);
  RawClient client = server.client();
  // The replies are far larger than the socket buffers, and nothing is read yet.
  ASSERT_TRUE(client.send(get("/big") + get("/big") + get("/")));
  for (int i = 0; i < 2; ++i) {
    const auto reply = client.reply();
    ASSERT_TRUE(reply);
    EXPECT_TRUE(reply->body == std::string(kBig, 'b'));
  }
  EXPECT_EQ(client.exchange("")->body, "qarax");
}

TEST_F(ServerTest, StreamsAreChunkedAndEndTheConnection) {
  TestServer server({}, router_);
  RawClient client = server.client();
  const auto reply = client.exchange(get("/stream"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->header("Content-Type"), "text/event-stream");
  EXPECT_EQ(reply->body, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  EXPECT_TRUE(client.at_end());
  RawClient broken = server.client();
  EXPECT_FALSE(broken.exchange(get("/broken-stream")));  // no last chunk: the client sees that the body is incomplete
}

TEST_F(ServerTest, ABadStartSaysWhy) {
  TestServer first({}, router_);
  spdlog::logger logger("http", std::make_shared<spdlog::sinks::null_sink_mt>());
  ServerConfig config;
  config.port = first->port();
  HttpServer second(config, router_, nullptr, nullptr, logger);
  const Status taken = second.start();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Code::failed_precondition);
  EXPECT_NE(taken.error().message.find("127.0.0.1:" + std::to_string(config.port)), std::string::npos);

  config.port = 0;
  config.tls_certificate = "/nonexistent/cert.pem";
  config.tls_key = "/nonexistent/key.pem";
  HttpServer third(config, router_, nullptr, nullptr, logger);
  const Status unreadable = third.start();
  ASSERT_FALSE(unreadable);
  EXPECT_NE(unreadable.error().message.find("/nonexistent/cert.pem"), std::string::npos);
}

}  // namespace
}  // namespace qarax::http
