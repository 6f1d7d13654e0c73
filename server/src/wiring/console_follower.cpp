#include "wiring/console_follower.hpp"

#include "qarax/core/threads.hpp"

namespace qarax::server {

namespace {
constexpr std::size_t kMostWaiting = 262'144;
}

ConsoleFollower::ConsoleFollower(Source source)
    : thread_([this, source = std::move(source)] {
        core::name_this_thread("console");
        Status end = make_error(Code::internal, "the console can't be read; the server's log says why");
        core::guarded("console",
                      [&] { end = source([this](std::string_view piece) { return take(piece); }, stop_.get_token()); });
        {
          const std::lock_guard lock(mutex_);
          end_ = std::move(end);
          finished_ = true;
        }
        changed_.notify_all();
      }) {}

ConsoleFollower::~ConsoleFollower() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  stop_.request_stop();
  thread_.join();
}

bool ConsoleFollower::take(std::string_view piece) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || waiting_.size() < kMostWaiting; });
    if (closed_) return false;
    waiting_.append(piece);
  }
  changed_.notify_all();
  return true;
}

Result<std::optional<std::string>> ConsoleFollower::next(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [&] { return finished_ || !waiting_.empty(); });
  if (waiting_.empty() && finished_) {
    if (!end_) return end_.error();
    return std::optional<std::string>();
  }
  std::optional<std::string> piece(std::move(waiting_));
  waiting_.clear();
  lock.unlock();
  changed_.notify_all();
  return piece;
}

}  // namespace qarax::server
