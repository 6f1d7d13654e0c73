// What a handler answers. The HTTP layer adds Date, Content-Length or chunking, Connection and X-Request-Id.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "http/headers.hpp"
#include "http/live_body.hpp"

namespace qarax::http {

// The writing end of a streamed body. Used on the stream's own thread only.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // Sends one piece; waits for a slow reader up to the server's write timeout. False: the client is gone or the server
  // stops, and the callback must return.
  virtual bool write(std::string_view piece) = 0;
  // Waits up to `span` for the end of the stream; false once it has ended. New data doesn't end the wait.
  virtual bool wait(std::chrono::milliseconds span) = 0;
};

// Runs on a thread of the stream pool after the head is sent, when the request no longer exists: capture copies.
using BodyStream = std::function<void(StreamSink&)>;

struct Response {
  int status = 200;
  std::string content_type;  // empty: no Content-Type
  std::string body;
  Headers headers;
  BodyStream stream;  // set: `body` is ignored and the reply is chunked
  // Set: like `stream` but without a thread of its own. If both are set, `stream` runs first and sends the beginning of
  // the body, and `live` continues it.
  std::shared_ptr<LiveBody> live;
  bool close = false;  // end the connection after this reply
  // Released when the last byte of `body` is sent or the connection is gone.
  std::shared_ptr<void> holds;

  static Response json(std::string body, int status = 200) { return make(status, "application/json", std::move(body)); }
  static Response text(std::string body, int status = 200) {
    return make(status, "text/plain; charset=utf-8", std::move(body));
  }
  // 204 and the like.
  static Response empty(int status = 204) { return make(status, "", ""); }
  static Response streaming(std::string_view type, BodyStream stream) {
    Response response = make(200, type, "");
    response.stream = std::move(stream);
    return response;
  }
  static Response going_on(std::string_view type, std::shared_ptr<LiveBody> live) {
    Response response = make(200, type, "");
    response.live = std::move(live);
    return response;
  }
  static Response make(int status, std::string_view type, std::string body) {
    Response response;
    response.status = status;
    response.content_type = type;
    response.body = std::move(body);
    return response;
  }

  Response&& with(std::string_view name, std::string_view value) && {
    headers.set(name, value);
    return std::move(*this);
  }
};

// The registered phrase of a status code, "Unknown" if there is none.
std::string_view reason_phrase(int status) noexcept;

}  // namespace qarax::http
