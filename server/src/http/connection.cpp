#include "http/connection.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "http/request_id.hpp"
#include "http/response_writer.hpp"

namespace qarax::http {
namespace {

constexpr std::size_t kInlineBody = std::size_t{8} * 1024;     // copied after the head: cheaper than a gathered write
constexpr std::size_t kKeptCapacity = std::size_t{64} * 1024;  // larger buffers are freed after a reply
constexpr std::size_t kMaxDiscard = std::size_t{4} * 1024 * 1024;
constexpr std::chrono::milliseconds kDiscardTime{2000};
constexpr std::chrono::milliseconds kDiscardTimeAtStop{300};

// While it lives, the thread counts as one that may block. Does nothing if `gate` is null.
class Blocking {
 public:
  explicit Blocking(BlockingGate* gate) : gate_(gate) {
    if (gate_ != nullptr) gate_->begin_blocking();
  }
  ~Blocking() {
    if (gate_ != nullptr) gate_->end_blocking();
  }
  Blocking(const Blocking&) = delete;
  Blocking& operator=(const Blocking&) = delete;

 private:
  BlockingGate* const gate_;
};

void reset(Request& request) {
  request.method.clear();
  request.path.clear();
  request.target.clear();
  request.params.clear();
  request.query.clear();
  request.headers.clear();
  if (request.body.capacity() > kKeptCapacity) {
    request.body = std::string();
  } else {
    request.body.clear();
  }
  request.request_id.clear();
  request.route = "";
}

}  // namespace

Connection::Connection(std::unique_ptr<Transport> transport, std::string peer, std::uint64_t id,
                       ConnectionServices& services)
    : services_(services),
      transport_(std::move(transport)),
      entry_(services.registry, transport_->fd()),
      peer_(std::move(peer)),
      id_(id),
      deadline_(Clock::now() +
                (transport_->is_established() ? services.config.idle_timeout : services.config.read_timeout)) {}

Connection::~Connection() { release_body(); }

Connection::Next Connection::run() {
  while (true) {
    Step step;
    switch (phase_) {
      case Phase::head:
        step = on_head();
        break;
      case Phase::body:
        step = on_body();
        break;
      case Phase::write:
        step = on_write();
        break;
      case Phase::discard:
        step = on_discard();
        break;
      case Phase::stream:
        return Next::stream;
      case Phase::live:
        return Next::live;
    }
    if (step) return *step;
  }
}

bool Connection::begin_linger() noexcept {
  if (services_.draining.load(std::memory_order_relaxed)) return false;
  // Increment first, then look at `queued`: a job queued earlier is seen here; whoever queues a job later sees that
  // this thread lingers and may be replaced.
  if (services_.lingering.fetch_add(1) < services_.config.lingering_threads &&
      (services_.queued.load() == 0 || services_.gate->relieve())) {
    return true;
  }
  services_.lingering.fetch_sub(1);
  return false;
}

Connection::Step Connection::fill(std::size_t limit, bool may_linger) {
  const ReadBuffer::Room room = buffer_.room(limit);
  IoResult got;
  const bool just_answered = std::exchange(just_answered_, false);
  if (may_linger && begin_linger()) {
    got = transport_->read_waiting(room.data, room.size);
    services_.lingering.fetch_sub(1);
  } else if (may_linger && just_answered && !transport_->holds_data()) {
    return park_for_request(false);  // a read here would mostly find nothing; the poller sees what arrives
  } else {
    got = transport_->read(room.data, room.size);
  }
  if (got.state == IoResult::State::closed) return Next::close;
  if (got.state == IoResult::State::would_block) return park_for_request(!may_linger);
  buffer_.commit(got.size);
  return std::nullopt;
}

Connection::Step Connection::park_for_request(bool begun) {
  if (!begun) {
    if (services_.draining.load(std::memory_order_relaxed)) return Next::close;
    // Free the buffers of an idle connection: there may be thousands of them.
    buffer_.release();
    request_ = Request{};
    head_out_ = std::string();
    body_out_ = std::string();
    // Once for each wait: pieces of a TLS record or empty lines, sent now and then, would keep the connection for ever.
    // A handshake has the deadline that the connection began with.
    if (!idle_begun_ && transport_->is_established()) {
      idle_begun_ = true;
      deadline_ = Clock::now() + services_.config.idle_timeout;
    }
  } else if (!request_begun_) {
    request_begun_ = true;
    deadline_ = Clock::now() + services_.config.read_timeout;
  }
  return transport_->wants_write() ? Next::park_for_write : Next::park_for_read;
}

Connection::Step Connection::on_head() {
  if (scanned_ == 0 && buffer_.view().starts_with("\r\n"))
    buffer_.consume(2);  // RFC 9112 2.2: some clients send an extra CRLF
  const bool only_cr = buffer_.view() == "\r";
  if (buffer_.empty() || only_cr) return fill(services_.config.head.max_bytes, buffer_.empty());
  const HeadEnd end = find_head_end(buffer_.view(), services_.config.head, scanned_);
  if (end.size == 0 && !end.fault) return fill(services_.config.head.max_bytes, false);
  reset(request_);
  request_.peer = peer_;
  request_.tls = transport_->is_tls();
  framing_ = Framing{};
  if (end.fault) {
    complete_at_ = Clock::now();
    adopt_request_id();
    return refuse(Problem(end.fault->slug, std::string(end.fault->detail)), false);
  }
  return begin_request(end.size);
}

void Connection::adopt_request_id() {
  const auto sent = request_.headers.find("X-Request-Id");
  if (sent && is_usable_request_id(*sent)) {
    request_.request_id = *sent;
  } else {
    make_request_id(request_.request_id);
  }
}

Connection::Step Connection::begin_request(std::size_t head_size) {
  const auto fault = parse_head(buffer_.view().substr(0, head_size), services_.config.head, request_, framing_);
  request_.minor_version = framing_.minor_version;
  buffer_.consume(head_size);
  scanned_ = 0;
  complete_at_ = Clock::now();
  adopt_request_id();
  if (fault) return refuse(Problem(fault->slug, std::string(fault->detail)), false);
  Pipeline::Admission admission = services_.pipeline.admit(request_);
  route_ = admission.route;
  if (framing_.body == Framing::Body::none) {
    return admission.refusal ? reply(std::move(*admission.refusal), framing_.keep_alive) : dispatch();
  }
  if (framing_.body == Framing::Body::length && framing_.length > services_.config.max_body) {
    return refuse(Problem("body-too-large", "the body has " + std::to_string(framing_.length) +
                                                " bytes, the limit is " + std::to_string(services_.config.max_body)),
                  false);
  }
  if (admission.refusal) {
    // Skip a body that has arrived already; one that is still to come isn't worth waiting for.
    const bool here = framing_.body == Framing::Body::length && buffer_.view().size() >= framing_.length;
    if (here) buffer_.consume(static_cast<std::size_t>(framing_.length));
    discard_ = !here;
    return reply(std::move(*admission.refusal), here && framing_.keep_alive);
  }
  return accept_body();
}

Connection::Step Connection::dispatch() {
  if (framing_.body != Framing::Body::none) complete_at_ = Clock::now();
  request_begun_ = false;
  const bool may_wait =
      route_->pace == Pace::may_wait || (route_->pace == Pace::quick_without_query && !request_.query.empty());
  Response response = [&] {
    const Blocking blocking(may_wait ? services_.gate : nullptr);
    return services_.pipeline.call(*route_, request_);
  }();
  release_body();
  return reply(std::move(response), framing_.keep_alive);
}

Connection::Step Connection::refuse(const Problem& problem, bool keep) {
  discard_ = discard_ || !keep;
  return reply(problem_response(request_, problem), keep);
}

Connection::Step Connection::reply(Response response, bool keep) {
  request_begun_ = false;
  const bool head_only = request_.method == "HEAD";
  const bool is_stream = response.stream || response.live;
  const bool goes_on = is_stream && !head_only;
  keep_ = keep && !response.close && !goes_on && !services_.draining.load(std::memory_order_relaxed);
  ReplyContext context;
  context.request_id = request_.request_id;
  context.minor_version = framing_.minor_version;
  context.keep_alive = keep_;
  context.body_size = response.body.size();
  context.chunked = is_stream && framing_.minor_version == 1 && response.status != 101;
  head_out_.clear();
  body_out_.clear();
  written_ = 0;
  append_head(head_out_, response, context);
  const int status = response.status;
  if (goes_on) {
    stream_ = std::move(response.stream);
    live_ = std::move(response.live);
    stream_status_ = status;
    phase_ = stream_ ? Phase::stream : Phase::live;
    return stream_ ? Next::stream : Next::live;
  }
  if (!head_only && status != 204 && status != 304) {
    if (response.body.size() <= kInlineBody) {
      head_out_.append(response.body);
    } else {
      body_out_ = std::move(response.body);
      body_holds_ = std::move(response.holds);
    }
  }
  phase_ = Phase::write;
  deadline_ = Clock::time_point{};
  const Step step = on_write();
  services_.pipeline.answered(request_, status, std::chrono::duration<double>(Clock::now() - complete_at_).count());
  return step;
}

Connection::Step Connection::on_write() {
  while (written_ < head_out_.size() + body_out_.size()) {
    const std::string_view head = std::string_view(head_out_).substr(std::min(written_, head_out_.size()));
    const std::size_t body_at = written_ > head_out_.size() ? written_ - head_out_.size() : 0;
    const IoResult sent = transport_->write(head, std::string_view(body_out_).substr(body_at));
    if (sent.state == IoResult::State::closed) return Next::close;
    if (sent.state == IoResult::State::would_block) {
      if (deadline_ == Clock::time_point{}) deadline_ = Clock::now() + services_.config.write_timeout;
      const bool for_read = transport_->is_tls() && !transport_->wants_write();
      return for_read ? Next::park_for_read : Next::park_for_write;
    }
    written_ += sent.size;
  }
  return after_reply();
}

Connection::Step Connection::after_reply() {
  release_body();
  if (head_out_.capacity() > kKeptCapacity) head_out_ = std::string();
  body_out_ = std::string();
  body_holds_.reset();
  if (!keep_) return start_discard();
  phase_ = Phase::head;
  idle_begun_ = false;
  just_answered_ = true;
  return std::nullopt;
}

Connection::Step Connection::start_discard() {
  if (!discard_ && buffer_.empty()) return Next::close;
  transport_->end_writing();
  phase_ = Phase::discard;
  deadline_ = Clock::now() + (services_.draining.load(std::memory_order_relaxed) ? kDiscardTimeAtStop : kDiscardTime);
  return std::nullopt;
}

Connection::Step Connection::on_discard() {
  std::array<char, 8192> waste;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  while (discarded_ < kMaxDiscard) {
    // Read the socket itself even under TLS: the bytes are only discarded.
    const ssize_t got = ::recv(transport_->fd(), waste.data(), waste.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return Next::close;
    if (got < 0 && errno == EAGAIN) return Next::park_for_read;
    discarded_ += got > 0 ? static_cast<std::size_t>(got) : 0U;
  }
  return Next::close;
}

Connection::Next Connection::expire() {
  if (is_idle() || phase_ == Phase::write || phase_ == Phase::discard) return Next::close;
  if (phase_ == Phase::head) {
    reset(request_);
    request_.peer = peer_;
    framing_ = Framing{};
    adopt_request_id();
  }
  complete_at_ = Clock::now();
  const auto seconds = std::chrono::duration<double>(services_.config.read_timeout).count();
  const Step step = refuse(Problem("request-timeout", "the request was not complete after " +
                                                          std::to_string(static_cast<long>(seconds)) + " s"),
                           false);
  return step ? *step : run();
}

Connection::Next Connection::refuse_stream() {
  const auto most = phase_ == Phase::live ? services_.config.max_live_streams
                                          : static_cast<std::size_t>(services_.config.max_streams);
  stream_ = nullptr;
  live_ = nullptr;
  const Problem problem("overloaded", "all " + std::to_string(most) + " streams are in use");
  const Step step = reply(problem_response(request_, problem), framing_.keep_alive);
  return step ? *step : run();
}

}  // namespace qarax::http
