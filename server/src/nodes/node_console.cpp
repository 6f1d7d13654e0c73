#include "node_console.hpp"

#include <utility>

#include "calls.hpp"
#include "qarax/core/documents.hpp"

namespace qarax::server {

namespace {

// Buffered output at which reading stops, so that the node's side waits.
constexpr std::size_t kMostOutput = std::size_t{256} * 1024;
constexpr std::size_t kPiece = std::size_t{32} * 1024;  // largest output of one take()
constexpr std::size_t kMostInput = std::size_t{64} * 1024;
constexpr std::size_t kInputPiece = std::size_t{16} * 1024;

}  // namespace

// One operation of the call; keeps the call alive until it is done.
class ConsoleCall::Step final : public CallQueue::Tag {
 public:
  Step(std::shared_ptr<ConsoleCall> call, Handler handler) : call_(std::move(call)), handler_(handler) {}
  void finished(bool ok) override { ((*call_).*handler_)(ok); }

 private:
  const std::shared_ptr<ConsoleCall> call_;
  const Handler handler_;
};

CallQueue::Tag* ConsoleCall::step(Handler handler) { return new Step(shared_from_this(), handler); }

void ConsoleCall::start(node::v1::Node::Stub& stub, std::shared_ptr<void> connection, grpc::CompletionQueue& queue,
                        const node::v1::ConsoleRequest& request) {
  const std::lock_guard lock(mutex_);
  connection_ = std::move(connection);
  *sending_.mutable_open() = request;
  stream_ = stub.PrepareAsyncAttachConsole(context_.get(), &queue);
  stream_->StartCall(step(&ConsoleCall::started));
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the queue gives the step back, and ends it then

void ConsoleCall::started(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!ok) return finish();
  writing_ = true;
  stream_->Write(sending_, step(&ConsoleCall::have_written));
  reading_ = true;
  stream_->ReadInitialMetadata(step(&ConsoleCall::greeted));
}

void ConsoleCall::greeted(bool ok) {
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (!ok) return finish();
  // If the node refuses, it sends no such metadata, and the read ends with its reason.
  open_ = context_->GetServerInitialMetadata().contains(core::kConsoleOpen);
  changed_.notify_all();
  read_more();
}

void ConsoleCall::read_more() {
  if (reading_ || finishing_ || (!cancelled_ && output_.size() >= kMostOutput)) return;
  reading_ = true;
  stream_->Read(&chunk_, step(&ConsoleCall::have_read));
}

void ConsoleCall::have_read(bool ok) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok) return finish();
    if (!cancelled_) output_.append(chunk_.data());
    read_more();
    wake = wake_;
  }
  if (wake) wake();
}

void ConsoleCall::write_more() {
  if (writing_ || finishing_) return;
  if (!input_.empty()) {
    writing_ = true;
    sending_.set_data(input_.substr(0, kInputPiece));
    input_.erase(0, sending_.data().size());
    return stream_->Write(sending_, step(&ConsoleCall::have_written));
  }
  if (!input_over_ || std::exchange(input_told_, true)) return;
  writing_ = true;
  stream_->WritesDone(step(&ConsoleCall::input_ended));
}

void ConsoleCall::have_written(bool ok) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    // The call is broken; the read reports that.
    if (!ok) return;
    sending_.Clear();
    write_more();
    wake = wake_;
  }
  if (wake) wake();
}

void ConsoleCall::input_ended(bool) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
}

void ConsoleCall::finish() {
  if (std::exchange(finishing_, true)) return;
  stream_->Finish(&status_, step(&ConsoleCall::finished));
}

void ConsoleCall::finished(bool) {
  std::function<void()> wake;
  std::function<void()> done;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    wake = wake_;
    done = std::exchange(done_, nullptr);
    changed_.notify_all();
  }
  if (wake) wake();
  done();
}

Status ConsoleCall::wait_open(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return open_ || over_; });
  if (open_) return Ok{};
  give_up();
  if (!over_)
    return make_error(Code::unavailable, "its node didn't open it within " + std::to_string(limit.count()) + " ms",
                      "node-unreachable");
  return status_.ok() ? make_error(Code::unavailable, "it ended before it was open", "console-closed")
                      : to_read_error(status_);
}

void ConsoleCall::on_change(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void ConsoleCall::take(std::string& out) {
  const std::lock_guard lock(mutex_);
  if (output_.empty()) return;
  if (output_.size() <= kPiece) {
    out.append(output_);
    output_.clear();
  } else {
    out.append(output_, 0, kPiece);
    output_.erase(0, kPiece);
  }
  read_more();
}

std::optional<Status> ConsoleCall::ended() {
  const std::lock_guard lock(mutex_);
  if (!over_ || !output_.empty()) return std::nullopt;
  if (status_.ok()) return Status(Ok{});
  return Status(to_error(status_));
}

bool ConsoleCall::has_room() const {
  const std::lock_guard lock(mutex_);
  return input_.size() < kMostInput;
}

void ConsoleCall::give(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (input_over_) return;
  input_.append(bytes);
  write_more();
}

std::size_t ConsoleCall::unsent() const {
  const std::lock_guard lock(mutex_);
  return input_.size() + sending_.data().size();
}

void ConsoleCall::end_input() {
  const std::lock_guard lock(mutex_);
  input_over_ = true;
  write_more();
}

void ConsoleCall::hang_up() {
  const std::lock_guard lock(mutex_);
  wake_ = nullptr;
  give_up();
  output_.clear();  // nobody takes it any more
}

void ConsoleCall::interrupt() {
  const std::lock_guard lock(mutex_);
  give_up();
}

void ConsoleCall::give_up() {
  context_->TryCancel();
  cancelled_ = true;
  // Only a read learns of the call's end, and while the buffer was full none was under way.
  read_more();
}

}  // namespace qarax::server
