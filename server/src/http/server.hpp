// The HTTP server: sockets, threads and limits around a Router. One poller thread accepts connections and keeps the
// idle ones; worker threads run handlers, each staying with a busy connection; streamed replies have threads of their
// own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "http/authenticator.hpp"
#include "http/observer.hpp"
#include "http/router.hpp"
#include "http/server_config.hpp"
#include "qarax/result.hpp"

namespace spdlog {
class logger;
}

namespace qarax::http {

class HttpServer {
 public:
  // Borrows all but the config; the router must not change after start(). `authenticator` and `observer` may be null.
  HttpServer(ServerConfig config, const Router& router, const Authenticator* authenticator, RequestObserver* observer,
             spdlog::logger& logger);
  // Stops and waits for the handlers that still run, however long they take.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds and serves; may be called once. invalid_argument: address, certificate or key can't be used;
  // failed_precondition: the address is taken or not permitted.
  Status start();

  // The port listened on; chosen by the kernel if the config says 0.
  std::uint16_t port() const noexcept;

  // Stops accepting, closes idle connections and ends streams; requests in progress continue and then close their
  // connection. Call this before stop() if the services behind the handlers must be told to answer waiting requests.
  void begin_drain() noexcept;
  // begin_drain(), then waits for the connections to end and cuts those that haven't by the deadline. False: some
  // handler still runs.
  bool stop(std::chrono::milliseconds deadline);

  std::size_t connections() const;
  // Bytes received of request bodies that aren't complete yet, which max_pending_bodies limits.
  std::int64_t pending_bodies() const noexcept;

  // Tells live replies (LiveBody) that there may be something new. Any thread, between start() and the destructor;
  // never waits.
  void wake_live() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Raises the process's soft limit of open files to its hard limit: a thousand connections need a thousand descriptors.
void raise_descriptor_limit() noexcept;

}  // namespace qarax::http
