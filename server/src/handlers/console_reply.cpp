#include "handlers/console_reply.hpp"

namespace qarax::server {

namespace {

constexpr std::chrono::seconds kWholeLog{20};          // time limit for reading a log that isn't followed
constexpr std::chrono::milliseconds kFirstPiece{200};  // after that the head is sent without a first piece
constexpr std::chrono::milliseconds kPiece{250};       // how soon a stream notices that its client is gone
constexpr std::size_t kLargest = 64u << 20;            // bytes; the node keeps far less

// The guest's bytes are sent as they are, so no charset is claimed.
constexpr std::string_view kPlainText = "text/plain";

}  // namespace

Answer console_text(std::unique_ptr<ConsoleReader> reader) {
  const auto until = std::chrono::steady_clock::now() + kWholeLog;
  std::string text;
  while (text.size() < kLargest) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return make_error(Code::deadline_exceeded, "the node didn't send the whole serial log within 20 s");
    QARAX_TRY(auto piece, reader->next(left));
    if (!piece) break;
    text.empty() ? text.swap(*piece) : static_cast<void>(text.append(*piece));
  }
  http::Response reply = http::Response::make(200, kPlainText, std::move(text));
  reply.holds = std::move(reader);
  return reply;
}

Answer console_stream(std::unique_ptr<ConsoleReader> reader) {
  QARAX_TRY(auto first, reader->next(kFirstPiece));
  if (!first) return http::Response::make(200, kPlainText, "");
  // shared_ptr, because std::function must be copyable.
  const std::shared_ptr<ConsoleReader> shared = std::move(reader);
  return http::Response::streaming(kPlainText, [shared, begin = std::move(*first)](http::StreamSink& sink) {
    if (!begin.empty() && !sink.write(begin)) return;
    while (sink.wait(std::chrono::milliseconds(0))) {
      auto piece = shared->next(kPiece);
      // Too late for a problem document: throwing ends the connection without the last chunk.
      if (!piece) throw std::runtime_error(piece.error().message);
      if (!*piece) return;
      if (!(*piece)->empty() && !sink.write(**piece)) return;
    }
  });
}

}  // namespace qarax::server
