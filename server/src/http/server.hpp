// The HTTP server: sockets, threads and limits around a Router. One poller thread accepts and keeps idle connections;
// worker threads run handlers, each staying with a busy connection; streamed replies have threads of their own.
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
  // Stops, and waits for the handlers that still run, however long they take.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Binds and serves. invalid_argument: address, certificate or key can't be used; failed_precondition: the address is
  // taken or not permitted. Once only.
  Status start();

  // The port listened on; the kernel's choice where the config says 0.
  std::uint16_t port() const noexcept;

  // Stops accepting, closes idle connections, ends streams; requests in progress go on and end their connection. To be
  // called first where the services behind the handlers have to be told to answer waiting requests.
  void begin_drain() noexcept;
  // begin_drain(), then waits for the connections to end, cuts those that haven't at the deadline. False: some handler
  // still runs.
  bool stop(std::chrono::milliseconds deadline);

  std::size_t connections() const;
  // Bytes of request bodies that have come and whose requests aren't whole yet: what max_pending_bodies bounds.
  std::int64_t pending_bodies() const noexcept;

  // There may be something new for replies that go on (LiveBody). Any thread, between start() and the destructor;
  // quick.
  void wake_live() noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Raises the process's soft limit of open files to its hard limit: a thousand connections need a thousand descriptors.
void raise_descriptor_limit() noexcept;

}  // namespace qarax::http
