// The server behind TLS.
#include <Poco/TemporaryFile.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <memory>
#include <sstream>
#include <thread>

#include "http/testing/socket_frames.hpp"
#include "http/websocket.hpp"
#include "http/websocket_handshake.hpp"

namespace qarax::http {
namespace {

using testing::RawClient;
using testing::TestServer;

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

// A self-signed certificate, valid for a day, and its key in two temporary files.
class Certificate {
 public:
  Certificate() {
    const std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
    const std::unique_ptr<X509, Deleter<X509_free>> certificate(X509_new());
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* name = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                               0);
    X509_set_issuer_name(certificate.get(), name);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    write(certificate_.path(), [&](FILE* file) { return PEM_write_X509(file, certificate.get()); });
    write(key_.path(),
          [&](FILE* file) { return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }
  ServerConfig config() const {
    ServerConfig config;
    config.tls_certificate = certificate_.path();
    config.tls_key = key_.path();
    return config;
  }

 private:
  template <class Write>
  static void write(const std::string& path, Write write_pem) {
    FILE* file = std::fopen(path.c_str(), "we");
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(write_pem(file), 1);
    std::fclose(file);
  }
  Poco::TemporaryFile certificate_;
  Poco::TemporaryFile key_;
};

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port)
      : raw_(port), context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
    SSL_set_fd(ssl_.get(), raw_.fd());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  ~TlsClient() {
    if (connected_) SSL_shutdown(ssl_.get());
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  bool send(std::string_view bytes) { return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) > 0; }
  // Reads until the server ends the connection.
  std::string read_all() {
    std::string all;
    char buffer[16384];
    for (int got = 0; (got = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<std::size_t>(got));
    return all;
  }
  // Reads until the text read ends with `end`.
  std::string read_until(std::string_view end) {
    std::string all;
    char byte = 0;
    while (!all.ends_with(end) && SSL_read(ssl_.get(), &byte, 1) == 1) all.push_back(byte);
    return all;
  }

 private:
  RawClient raw_;
  std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Deleter<SSL_free>> ssl_;
  bool connected_ = false;
};

class ServerTlsTest : public ::testing::Test {
 protected:
  ServerTlsTest() {
    router_.add("GET", "/", [](const Request& request) { return Response::text(request.tls ? "secure." : "plain."); });
    router_.add("GET", "/big", [](const Request&) { return Response::text(std::string(2'000'000, 'b') + "."); });
    router_.add("POST", "/echo", [](const Request& request) { return Response::text(request.body + "."); });
    router_.add("GET", "/stream", [](const Request&) {
      return Response::streaming("text/plain", [](StreamSink& sink) { sink.write("streamed"); });
    });
  }
  Certificate certificate_;
  Router router_;
};

// Echoes what it gets; has little room.
class Echo final : public SocketPeer {
 public:
  void on_change(std::function<void()>) override {}
  void take(std::string& out) override { out.append(std::exchange(held_, {})); }
  std::optional<SocketClose> ended() override {
    return over_ ? std::optional<SocketClose>({SocketClose::kNormal, ""}) : std::nullopt;
  }
  bool has_room() const noexcept override { return held_.size() < 1000; }
  void give(std::string_view bytes) override { held_.append(bytes); }
  std::size_t unsent() const noexcept override { return 0; }
  void end_input() override { over_ = true; }

 private:
  std::string held_;
  bool over_ = false;
};

// The payloads of complete frames of a server, concatenated.
std::string payloads(std::string_view frames) {
  std::string out;
  while (frames.size() >= 2) {
    std::size_t size = static_cast<unsigned char>(frames[1]);
    std::size_t head = 2;
    if (size == 126) {
      size = static_cast<unsigned char>(frames[2]) * 256U + static_cast<unsigned char>(frames[3]);
      head = 4;
    }
    out.append(frames.substr(head, size));
    frames.remove_prefix(std::min(frames.size(), head + size));
  }
  return out;
}

constexpr std::string_view kHost = " HTTP/1.1\r\nHost: localhost\r\n";

TEST_F(ServerTlsTest, AnswersBigAndSmall) {
  ServerConfig config = certificate_.config();
  config.linger = std::chrono::milliseconds(1);  // so that connections are parked and come back
  TestServer server(config, router_);
  TlsClient client(server->port());
  ASSERT_TRUE(client.connected());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("GET /" + std::string(kHost) + "\r\n"));
    EXPECT_TRUE(client.read_until("secure.").ends_with("\r\n\r\nsecure."));
  }
  const std::string body(300'000, 'x');
  ASSERT_TRUE(client.send("POST /echo" + std::string(kHost) + "Content-Length: 300000\r\n\r\n" + body));
  EXPECT_TRUE(client.read_until("x.").ends_with(body + "."));
  ASSERT_TRUE(client.send("GET /big" + std::string(kHost) + "\r\n" + "GET /" + std::string(kHost) +
                          "Connection: close\r\n\r\n"));
  const std::string all = client.read_all();
  EXPECT_GT(all.size(), 2'000'000U);
  EXPECT_TRUE(all.ends_with("secure."));
}

TEST_F(ServerTlsTest, StreamsAndProblems) {
  TestServer server(certificate_.config(), router_);
  TlsClient stream(server->port());
  ASSERT_TRUE(stream.send("GET /stream" + std::string(kHost) + "\r\n"));
  EXPECT_TRUE(stream.read_all().ends_with("8\r\nstreamed\r\n0\r\n\r\n"));
  TlsClient foreign(server->port());
  ASSERT_TRUE(foreign.send("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(foreign.read_all().find("/problems/forbidden-host"), std::string::npos);
}

TEST_F(ServerTlsTest, WebSocketsMissNothingThatTlsHasTakenFromTheSocket) {
  router_.add("GET", "/socket", [](const Request& request) {
    return accept_handshake(request, std::make_shared<WebSocket>(std::make_unique<Echo>(), SocketLimits{}));
  });
  TestServer server(certificate_.config(), router_);
  TlsClient client(server->port());
  ASSERT_TRUE(client.send("GET /socket" + std::string(kHost) +
                          "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
  EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  std::string sent;
  for (int i = 0; i < 60'000; ++i) sent += std::to_string(i % 10);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send(testing::masked(Opcode::binary, sent)));
  ASSERT_TRUE(client.send(testing::masked(Opcode::binary, "end.")));
  EXPECT_EQ(payloads(client.read_until("end.")), sent + sent + sent + sent + sent + "end.");
  ASSERT_TRUE(client.send(testing::masked(Opcode::close, "")));
  EXPECT_EQ(client.read_all(), std::string("\x88\x00", 2));
}

TEST_F(ServerTlsTest, FilesThatCantBeUsedAreNamedWithTheirKeys) {
  const auto refusal = [&](const std::string& certificate, const std::string& key) {
    ServerConfig config = certificate_.config();
    if (!certificate.empty()) config.tls_certificate = certificate;
    if (!key.empty()) config.tls_key = key;
    std::ostringstream out;
    spdlog::logger logger("http", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
    HttpServer server(config, router_, nullptr, nullptr, logger);
    const Status started = server.start();
    return started ? std::string("started") : started.error().message;
  };
  const std::string way_out = ": No such file or directory; name a file that this user can read";
  EXPECT_EQ(refusal("/nonexistent/c", ""), "listen.tls.cert: can't read /nonexistent/c" + way_out);
  EXPECT_EQ(refusal("", "/nonexistent/k"), "listen.tls.key: can't read /nonexistent/k" + way_out);
  const std::string unfit = refusal("/dev/null", "");
  EXPECT_EQ(unfit.find("listen.tls.cert, listen.tls.key: can't use the certificate /dev/null with "), 0U) << unfit;
}

TEST_F(ServerTlsTest, PlainTextAndHalfHandshakesHurtNobody) {
  ServerConfig config = certificate_.config();
  config.max_threads = 2;
  config.running_threads = 2;
  TestServer server(config, router_);
  RawClient plain = server.client();
  ASSERT_TRUE(plain.send("GET /" + std::string(kHost) + "\r\n"));
  RawClient half = server.client();
  ASSERT_TRUE(half.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6)));
  RawClient mute = server.client();
  TlsClient good(server->port());
  ASSERT_TRUE(good.connected());
  ASSERT_TRUE(good.send("GET /" + std::string(kHost) + "\r\n"));
  EXPECT_TRUE(good.read_until("secure.").ends_with("secure."));
  EXPECT_TRUE(server->stop(std::chrono::seconds(5)));
}

TEST_F(ServerTlsTest, AHandshakeThatComesByteByByteIsCut) {
  ServerConfig config = certificate_.config();
  config.read_timeout = std::chrono::seconds(2);
  config.idle_timeout = std::chrono::seconds(600);
  TestServer server(config, router_);
  TlsClient quiet(server->port());
  ASSERT_TRUE(quiet.connected());
  RawClient slow = server.client();
  ASSERT_TRUE(slow.send(std::string_view("\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03", 11)));
  // Each byte wakes the server; what is announced would take minutes.
  int sent = 0;
  constexpr int kMost = 1500;
  while (sent < kMost && !slow.readable(std::chrono::milliseconds(20)) && slow.send("x")) ++sent;
  EXPECT_LT(sent, kMost) << "it was waited for";
  // A client that has shaken hands in time may be idle for longer than that.
  ASSERT_TRUE(quiet.send("GET /" + std::string(kHost) + "Connection: close\r\n\r\n"));
  EXPECT_TRUE(quiet.read_all().ends_with("secure."));
}

}  // namespace
}  // namespace qarax::http
