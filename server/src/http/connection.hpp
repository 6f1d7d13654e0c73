// One client connection: a state machine that runs on the thread that holds it and never waits for the peer, except for
// the short linger between two requests. Exactly one owner at a time: the poller (parked), a worker or a stream thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/chunked.hpp"
#include "http/connection_registry.hpp"
#include "http/head_parser.hpp"
#include "http/pipeline.hpp"
#include "http/problem.hpp"
#include "http/read_buffer.hpp"
#include "http/server_config.hpp"
#include "http/transport.hpp"
#include "qarax/core/files.hpp"

namespace qarax::http {

// A thread that is going to wait announces it here, so that another thread can take its place meanwhile. Any thread.
class BlockingGate {
 public:
  virtual ~BlockingGate() = default;
  virtual void begin_blocking() = 0;
  virtual void end_blocking() = 0;
  // The caller begins to linger and has already counted itself in services.lingering: wakes a thread for the queue.
  // False if no thread is available.
  virtual bool relieve() = 0;
};

// State shared by all connections of a server; outlives them.
struct ConnectionServices {
  ConnectionServices(const Pipeline& pipeline_ref, const ServerConfig& config_ref)
      : pipeline(pipeline_ref), config(config_ref) {}

  const Pipeline& pipeline;
  const ServerConfig& config;
  BlockingGate* gate = nullptr;  // set before the first connection
  core::Fd stop_fd;              // an eventfd, readable once the drain has begun
  ConnectionRegistry registry;
  std::atomic<bool> draining{false};
  std::atomic<int> lingering{0};                // workers that wait for their client's next request
  std::atomic<int> queued{0};                   // connections waiting for a worker
  std::atomic<std::int64_t> pending_bodies{0};  // bytes received of bodies that aren't complete yet
};

// A reply that is handed over to LiveStreams.
struct LiveReply {
  std::shared_ptr<LiveBody> body;
  std::string head;  // still to be sent; empty if a stream came before and sent it
  bool chunked = true;
  std::string early;  // bytes the client has already sent after the head of an upgrade request
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Next { park_for_read, park_for_write, close, stream, live };

  Connection(std::unique_ptr<Transport> transport, std::string peer, std::uint64_t id, ConnectionServices& services);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Reads, answers and writes until nothing more can be done without waiting.
  Next run();
  // To be called when the deadline has passed while the connection was parked: a half-sent request is answered 408.
  // After Next::close the caller closes the connection; Next::park_for_read lets the client read the answer first.
  Next expire();
  // To be called after Next::stream, on a thread that may wait. Returns Next::close or Next::live.
  Next run_stream();
  // Valid after Next::live: whether the live body also receives (LiveDuplex).
  bool is_duplex() const noexcept { return live_ && live_->duplex() != nullptr; }
  // To be called once, after Next::live. The caller keeps the connection, because it owns the transport.
  LiveReply take_live();
  // To be called after Next::stream or Next::live if there is no capacity for it: answers 503. The result means the
  // same as that of run().
  Next refuse_stream();

  // True while waiting for a request of which no byte has arrived.
  bool is_idle() const noexcept { return phase_ == Phase::head && buffer_.empty(); }
  Clock::time_point deadline() const noexcept { return deadline_; }
  std::uint64_t id() const noexcept { return id_; }
  int fd() const noexcept { return transport_->fd(); }
  const std::string& peer() const noexcept { return peer_; }
  Transport& transport() noexcept { return *transport_; }

 private:
  enum class Phase { head, body, write, discard, stream, live };
  using Step = std::optional<Next>;  // nullopt: continue with the next phase

  Step on_head();
  Step on_body();
  Step on_write();
  Step on_discard();
  Step fill(std::size_t limit, bool may_linger);
  Step park_for_request(bool begun);
  bool begin_linger() noexcept;

  Step begin_request(std::size_t head_size);
  Step accept_body();
  bool reserve_body();
  Step refuse_body();
  void release_body() noexcept;
  Step dispatch();
  Step refuse(const Problem& problem, bool keep);  // keep: the end of the request is known, so the connection can go on
  Step reply(Response response, bool keep);
  Step after_reply();
  Step start_discard();
  void adopt_request_id();

  ConnectionServices& services_;
  std::unique_ptr<Transport> transport_;
  ConnectionRegistry::Entry entry_;  // declared after transport_: deregistered before the descriptor is closed
  std::string peer_;
  std::uint64_t id_;
  Phase phase_ = Phase::head;
  Clock::time_point deadline_;
  bool request_begun_ = false;  // deadline_ is that of the current request
  bool idle_begun_ = false;     // deadline_ is that of the current wait for a request

  ReadBuffer buffer_;
  std::size_t scanned_ = 0;
  Request request_;
  Framing framing_;
  const Route* route_ = nullptr;
  ChunkedDecoder chunked_;
  std::int64_t reserved_ = 0;
  Clock::time_point complete_at_;

  std::string head_out_;
  std::string body_out_;
  std::shared_ptr<void> body_holds_;
  std::size_t written_ = 0;
  bool keep_ = true;
  bool discard_ = false;  // the client may still be sending: drain that before closing, or a reset destroys the answer
  std::size_t discarded_ = 0;
  BodyStream stream_;
  std::shared_ptr<LiveBody> live_;
  int stream_status_ = 0;
  bool just_answered_ = false;
};

}  // namespace qarax::http
