// Receives the body of a request, within the memory limit that all pending bodies share.
#include "http/connection.hpp"
#include "http/problem.hpp"

namespace qarax::http {

Connection::Step Connection::accept_body() {
  if (services_.pending_bodies.load(std::memory_order_relaxed) >= services_.config.max_pending_bodies) {
    return refuse_body();
  }
  if (framing_.expect_continue && buffer_.empty()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (transport_->write(kContinue, {}).size != kContinue.size())
      return Next::close;  // an idle socket buffer always has room for 25 bytes, so a short write means that the peer
                           // is gone
  }
  chunked_.reset();
  phase_ = Phase::body;
  return std::nullopt;
}

// Counts the bytes received, not those announced: a client that sends nothing takes no room from the others.
bool Connection::reserve_body() {
  const auto more = static_cast<std::int64_t>(request_.body.size()) - reserved_;
  const std::int64_t all = services_.pending_bodies.fetch_add(more, std::memory_order_relaxed) + more;
  reserved_ += more;
  return all <= services_.config.max_pending_bodies || all == reserved_;
}

Connection::Step Connection::refuse_body() {
  release_body();
  return refuse(Problem("overloaded", "too many request bodies are being received at once"), false);
}

void Connection::release_body() noexcept {
  if (reserved_ != 0) services_.pending_bodies.fetch_sub(std::exchange(reserved_, 0), std::memory_order_relaxed);
}

Connection::Step Connection::on_body() {
  if (!buffer_.empty()) {
    if (framing_.body == Framing::Body::length) {
      const auto left = static_cast<std::size_t>(framing_.length) - request_.body.size();
      const std::string_view take = buffer_.view().substr(0, left);
      request_.body.append(take);
      buffer_.consume(take.size());
      if (!reserve_body()) return refuse_body();
      if (request_.body.size() == framing_.length) return dispatch();
    } else {
      std::string_view rest = buffer_.view();
      const auto status = chunked_.feed(rest, request_.body, services_.config.max_body);
      buffer_.consume(buffer_.view().size() - rest.size());
      if (!reserve_body()) return refuse_body();
      switch (status) {
        case ChunkedDecoder::Status::done:
          return dispatch();
        case ChunkedDecoder::Status::bad:
          return refuse(Problem("bad-request", "the chunked coding of the body is broken"), false);
        case ChunkedDecoder::Status::too_large:
          return refuse(Problem("body-too-large", "the body is over the limit of " +
                                                      std::to_string(services_.config.max_body) + " bytes"),
                        false);
        case ChunkedDecoder::Status::more:
          break;
      }
    }
  }
  return fill(services_.config.head.max_bytes, false);
}

}  // namespace qarax::http
