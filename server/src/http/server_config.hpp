// Settings of the HTTP server; the defaults of all limits suit a small machine.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "http/head_parser.hpp"

namespace qarax::http {

struct ServerConfig {
  std::string host = "127.0.0.1";  // address or name; "0.0.0.0" and "::" listen on all
  std::uint16_t port = 8000;       // 0: the kernel chooses, see HttpServer::port()
  std::string tls_certificate;     // PEM chain; set together with tls_key, both empty: plain HTTP
  std::string tls_key;
  std::vector<std::string> allowed_hosts;

  HeadLimits head;
  std::size_t max_body = std::size_t{1024} * 1024;
  std::int64_t max_pending_bodies = 64LL * 1024 * 1024;  // bytes, of all requests being received
  std::size_t max_connections = 4096;                    // beyond: the oldest idle connection is closed, else 503
  int running_threads = 0;     // running at once, without handlers that may wait (Pace); 0: one more than cores
  int lingering_threads = 32;  // busy connections that keep their thread between requests, the cheapest way to serve
  int max_threads = 1024;      // in all, which also bounds the handlers that wait at once; created on demand
  int max_streams = 256;       // streamed replies at once, each on a thread of its own; beyond: 503
  std::size_t max_live_streams = 1000;  // live replies (LiveBody), all on one thread; beyond: 503
  std::size_t thread_stack = std::size_t{256} * 1024;

  std::chrono::milliseconds read_timeout{10'000};   // from a request's first byte to its last; for a TLS handshake
  std::chrono::milliseconds write_timeout{30'000};  // for a whole reply; for one piece of a stream
  std::chrono::milliseconds idle_timeout{60'000};   // between requests; an idle connection holds no thread
  std::chrono::milliseconds linger{50};  // how long a worker waits for the next request before the connection is parked
  std::chrono::milliseconds heartbeat{15'000};    // interval on a silent live stream
  std::chrono::milliseconds worker_idle{10'000};  // an idle thread beyond the first two ends after this
};

}  // namespace qarax::http
