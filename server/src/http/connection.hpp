// One client connection: a state machine that runs on whatever thread holds it and never waits for the peer, except for
// the short linger between two requests. Owned by exactly one of: the poller (parked), a worker, a stream's thread.
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

// Told by a thread that is going to wait, so that another can take its place meanwhile. Any thread.
class BlockingGate {
 public:
  virtual ~BlockingGate() = default;
  virtual void begin_blocking() = 0;
  virtual void end_blocking() = 0;
  // The caller begins to linger, as services.lingering already says: wakes a thread for the queue. False: there is
  // none.
  virtual bool relieve() = 0;
};

// What all connections of a server share; outlives them.
struct ConnectionServices {
  ConnectionServices(const Pipeline& pipeline_ref, const ServerConfig& config_ref)
      : pipeline(pipeline_ref), config(config_ref) {}

  const Pipeline& pipeline;
  const ServerConfig& config;
  BlockingGate* gate = nullptr;  // set before the first connection
  core::Fd stop_fd;              // an eventfd, readable from the begin of the drain
  ConnectionRegistry registry;
  std::atomic<bool> draining{false};
  std::atomic<int> lingering{0};
  std::atomic<int> queued{0};  // connections waiting for a worker
  std::atomic<std::int64_t> pending_bodies{0};
};

// A reply that LiveStreams goes on with.
struct LiveReply {
  std::shared_ptr<LiveBody> body;
  std::string head;  // still to be sent; empty where a stream came before
  bool chunked = true;
  std::string early;  // what the client has sent behind the head of an upgrade
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Next { park_for_read, park_for_write, close, stream, live };

  Connection(std::unique_ptr<Transport> transport, std::string peer, std::uint64_t id, ConnectionServices& services);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Reads, answers, writes until nothing more can be done without waiting.
  Next run();
  // The deadline has passed while parked: a half-sent request is answered 408. The connection is to be closed after
  // Next::close; Next::park_for_read lets the client read the answer first.
  Next expire();
  // After Next::stream, on a thread that may wait: Next::close or Next::live.
  Next run_stream();
  // After Next::live: whether its body listens.
  bool is_duplex() const noexcept { return live_ && live_->duplex() != nullptr; }
  // After Next::live, once; the connection is kept for its transport.
  LiveReply take_live();
  // After Next::stream or Next::live where there is no thread for it: answers 503. Continue as run() says.
  Next refuse_stream();

  // Waiting for a request of which no byte has come.
  bool is_idle() const noexcept { return phase_ == Phase::head && buffer_.empty(); }
  Clock::time_point deadline() const noexcept { return deadline_; }
  std::uint64_t id() const noexcept { return id_; }
  int fd() const noexcept { return transport_->fd(); }
  const std::string& peer() const noexcept { return peer_; }
  Transport& transport() noexcept { return *transport_; }

 private:
  enum class Phase { head, body, write, discard, stream, live };
  using Step = std::optional<Next>;  // nullopt: go on

  Step on_head();
  Step on_body();
  Step on_write();
  Step on_discard();
  // Reads into the buffer; a value is what to do instead of going on.
  Step fill(std::size_t limit, bool may_linger);
  Step park_for_request(bool begun);
  bool begin_linger() noexcept;

  Step begin_request(std::size_t head_size);
  Step accept_body();
  bool reserve_body();
  Step refuse_body();
  void release_body() noexcept;
  Step dispatch();
  Step refuse(const Problem& problem, bool keep);  // keep: the connection's framing is still certain
  Step reply(Response response, bool keep);
  Step after_reply();
  Step start_discard();
  void adopt_request_id();

  ConnectionServices& services_;
  std::unique_ptr<Transport> transport_;
  ConnectionRegistry::Entry entry_;  // after transport_: left before the descriptor is closed
  std::string peer_;
  std::uint64_t id_;
  Phase phase_ = Phase::head;
  Clock::time_point deadline_;
  bool request_begun_ = false;  // deadline_ is the present request's

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
  bool discard_ = false;  // the client may still be sending: read it away before closing, or the answer is lost
  std::size_t discarded_ = 0;
  BodyStream stream_;
  std::shared_ptr<LiveBody> live_;
  int stream_status_ = 0;
  bool just_answered_ = false;
};

}  // namespace qarax::http
