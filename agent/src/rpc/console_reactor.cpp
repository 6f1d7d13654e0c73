#include "console_reactor.hpp"

#include <algorithm>
#include <string>

#include "status.hpp"

namespace qarax::agent {

void ReadConsoleReactor::begin(const std::string& run_dir, std::int64_t tail_bytes) {
  go_on([&] { log_ = read_console_log(run_dir, tail_bytes); });
}

// A call that nobody finishes stays open for its client.
void ReadConsoleReactor::go_on(const std::function<void()>& first) {
  constexpr std::size_t kChunk = std::size_t{256} * 1024;
  try {
    first();
    chunk_.set_data(log_.data() + at_, std::min(kChunk, log_.size() - at_));
  } catch (const std::exception& e) {
    return Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                               std::string("the VM's console log can't be read and sent: ") + e.what()));
  }
  if (chunk_.data().empty()) return Finish(grpc::Status::OK);
  at_ += chunk_.data().size();
  StartWrite(&chunk_);
}

void ReadConsoleReactor::OnWriteDone(bool ok) {
  if (ok)
    go_on();
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
