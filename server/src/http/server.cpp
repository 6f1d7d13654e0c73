#include "http/server.hpp"

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLManager.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <fcntl.h>
#include <spdlog/logger.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "http/live_streams.hpp"
#include "http/poller.hpp"
#include "qarax/core/addresses.hpp"

namespace qarax::http {
namespace {

constexpr int kBacklog = 4096;
constexpr std::chrono::milliseconds kAfterCut{
    200};  // grace for handlers that return as soon as their connection is cut

Result<Poco::Net::ServerSocket> open_listener(const ServerConfig& config) {
  try {
    const Poco::Net::SocketAddress address(config.host, config.port);
    Poco::Net::ServerSocket socket;
    // No SO_REUSEPORT: a second server on the port must fail instead of taking half of the connections.
    if (address.family() == Poco::Net::SocketAddress::IPv6) {
      socket.bind6(address, true, false, false);
    } else {
      socket.bind(address, true, false);
    }
    ::fcntl(socket.impl()->sockfd(), F_SETFD, FD_CLOEXEC);
    socket.setBlocking(false);
    socket.listen(kBacklog);
    return socket;
  } catch (const Poco::Net::NetException& error) {
    return make_error(Code::failed_precondition, "can't listen on " + core::host_port(config.host, config.port) + ": " +
                                                     error.displayText() +
                                                     "; end the program that holds the address, or set another "
                                                     "listen.port or listen.address");
  } catch (const Poco::Exception& error) {
    return make_error(Code::invalid_argument, "can't listen on " + core::host_port(config.host, config.port) + ": " +
                                                  error.displayText() +
                                                  "; set listen.address to an address of this machine");
  }
}

Result<Poco::Net::Context::Ptr> open_tls(const ServerConfig& config) {
  using Poco::Net::Context;
  if (config.tls_certificate.empty() && config.tls_key.empty()) return Context::Ptr();
  if (config.tls_certificate.empty() || config.tls_key.empty()) {
    return make_error(Code::invalid_argument,
                      "TLS needs a certificate and a key, and only one of them is set; set listen.tls.cert and "
                      "listen.tls.key");
  }
  for (const auto& [key, path] :
       {std::pair{"listen.tls.cert", &config.tls_certificate}, {"listen.tls.key", &config.tls_key}}) {
    if (::access(path->c_str(), R_OK) != 0) {
      return make_error(Code::invalid_argument, std::string(key) + ": can't read " + *path + ": " +
                                                    std::generic_category().message(errno) +
                                                    "; name a file that this user can read");
    }
  }
  try {
    Poco::Net::initializeSSL();
    Context::Ptr context = new Context(Context::TLS_SERVER_USE, config.tls_key, config.tls_certificate, "",
                                       Context::VERIFY_NONE, 9, false);
    context->requireMinimumProtocol(Context::PROTO_TLSV1_2);
    return context;
  } catch (const Poco::Exception& error) {
    return make_error(Code::invalid_argument, "listen.tls.cert, listen.tls.key: can't use the certificate " +
                                                  config.tls_certificate + " with the key " + config.tls_key + ": " +
                                                  error.displayText() +
                                                  "; give a certificate in PEM and the key that it was made with");
  }
}

// More running threads than cores only cost task switches; one more covers the moments when a handler waits.
ServerConfig with_defaults(ServerConfig config) {
  if (config.running_threads <= 0) {
    config.running_threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency())) + 1;
  }
  return config;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(ServerConfig config, const Router& router, const Authenticator* authenticator, RequestObserver* observer,
       spdlog::logger& logger)
      : config_(with_defaults(std::move(config))),
        pipeline_(router, OriginGuard(config_.host, config_.allowed_hosts), authenticator, observer, logger),
        services_(pipeline_, config_),
        logger_(logger) {
    services_.stop_fd = core::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  ~Impl() {
    stop(std::chrono::milliseconds(0));
    // The order matters: streams and workers may still park connections, so the poller is destroyed last.
    workers_.reset();
    streams_.reset();
    live_.reset();
    poller_.reset();
  }

  Status start() {
    if (!services_.stop_fd) return make_error(Code::resource_exhausted, "no descriptor for the server's own use");
    QARAX_TRY(Poco::Net::Context::Ptr tls, open_tls(config_));
    QARAX_TRY(Poco::Net::ServerSocket listener, open_listener(config_));
    port_ = listener.address().port();
    const WorkerPool::Limits workers{"http", config_.running_threads, config_.max_threads, config_.thread_stack,
                                     config_.worker_idle};
    workers_.emplace(
        workers, [this](WorkerPool::Job job) { serve(std::move(job)); }, services_.queued, services_.lingering);
    services_.gate = &*workers_;
    const WorkerPool::Limits streams{"http-stream", config_.max_streams, config_.max_streams, config_.thread_stack,
                                     config_.worker_idle};
    streams_.emplace(
        streams,
        [this](WorkerPool::Job job) {
          // If adopt() has no room, the connection is dropped: the client sees the body end without its last chunk and
          // connects again.
          if (job->run_stream() == Connection::Next::live) live_->adopt(job);
        },
        streams_queued_, nobody_lingers_);
    try {
      live_.emplace(services_, logger_);
      live_->start();
      poller_ = std::make_unique<Poller>(listener, std::move(tls), services_, *workers_, logger_);
      poller_->start();
    } catch (const Poco::Exception& error) {
      return make_error(Code::resource_exhausted, "can't start the HTTP server: " + error.displayText());
    }
    return Ok{};
  }

  void begin_drain() noexcept {
    if (services_.draining.exchange(true)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t done = ::write(services_.stop_fd.get(), &one, sizeof one);
    if (poller_) poller_->drain();
    if (live_) live_->wake();
  }

  void wake_live() noexcept {
    if (live_) live_->wake();
  }

  bool stop(std::chrono::milliseconds deadline) {
    begin_drain();
    const auto until = std::chrono::steady_clock::now() + deadline;
    if (!services_.registry.wait_empty(until)) {
      services_.registry.cut_all();
      services_.registry.wait_empty(std::max(until, std::chrono::steady_clock::now()) + kAfterCut);
    }
    if (poller_) poller_->stop();
    return services_.registry.count() == 0;
  }

  std::uint16_t port() const noexcept { return port_; }
  std::size_t connections() const { return services_.registry.count(); }
  std::int64_t pending_bodies() const noexcept { return services_.pending_bodies.load(std::memory_order_relaxed); }

 private:
  void serve(WorkerPool::Job connection) {
    Connection::Next next = connection->run();
    // The client may have sent its next request already, which may be another one for a stream.
    while (next == Connection::Next::stream || next == Connection::Next::live) {
      if (next == Connection::Next::stream ? streams_->try_push(connection) : live_->adopt(connection)) return;
      next = connection->refuse_stream();
    }
    if (next == Connection::Next::park_for_read || next == Connection::Next::park_for_write) {
      poller_->park(std::move(connection), next);
    }
  }

  const ServerConfig config_;
  const Pipeline pipeline_;
  ConnectionServices services_;
  spdlog::logger& logger_;
  std::uint16_t port_ = 0;
  std::atomic<int> streams_queued_{0};
  const std::atomic<int> nobody_lingers_{0};
  std::optional<WorkerPool> workers_;
  std::optional<WorkerPool> streams_;
  std::optional<LiveStreams> live_;
  std::unique_ptr<Poller> poller_;
};

HttpServer::HttpServer(ServerConfig config, const Router& router, const Authenticator* authenticator,
                       RequestObserver* observer, spdlog::logger& logger)
    : impl_(std::make_unique<Impl>(std::move(config), router, authenticator, observer, logger)) {}

HttpServer::~HttpServer() = default;

Status HttpServer::start() { return impl_->start(); }
std::uint16_t HttpServer::port() const noexcept { return impl_->port(); }
void HttpServer::begin_drain() noexcept { impl_->begin_drain(); }
void HttpServer::wake_live() noexcept { impl_->wake_live(); }
bool HttpServer::stop(std::chrono::milliseconds deadline) { return impl_->stop(deadline); }
std::size_t HttpServer::connections() const { return impl_->connections(); }
std::int64_t HttpServer::pending_bodies() const noexcept { return impl_->pending_bodies(); }

}  // namespace qarax::http
