#include "console_reactor.hpp"

#include <string>

#include "status.hpp"

namespace qarax::agent {

void ReadConsoleReactor::begin(const std::string& run_dir, std::int64_t tail_bytes) {
  try {
    log_ = read_console_log(run_dir, tail_bytes);
  } catch (const std::exception& e) {
    return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, e.what()));
  }
  next();
}

void ReadConsoleReactor::next() {
  constexpr std::size_t kChunk = std::size_t{256} * 1024;
  if (at_ >= log_.size()) return Finish(grpc::Status::OK);
  chunk_.set_data(log_.substr(at_, kChunk));
  at_ += chunk_.data().size();
  StartWrite(&chunk_);
}

void ReadConsoleReactor::OnWriteDone(bool ok) {
  if (ok)
    next();
  else
    Finish(grpc::Status::CANCELLED);
}

void AttachReactor::OnReadDone(bool ok) {
  if (!ok) return end(grpc::Status::OK);  // the client closed its side
  if (asked_.exchange(true)) return take_input();
  const Status admitted = node_.admit(*context_, input_.open().authority());
  if (!admitted) return end(to_status(admitted.error()));
  open(input_.open());
}

void AttachReactor::look_at_clock() {
  if (asked_ || std::chrono::steady_clock::now() < asks_until_) return;
  end(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                   "nothing was asked for within " + std::to_string(node_.first_message_ms()) + " ms"));
}

void AttachReactor::take_input() {
  if (input_.data().empty()) return read_more(&input_);
  // The next message is read once the guest has taken this one, so a slow guest holds up its client but no thread of
  // gRPC's.
  to_guest(input_.data(), [this](const Status& sent) {
    if (!sent) return end(to_status(sent.error()));
    read_more(&input_);
  });
}

}  // namespace qarax::agent
