#include "answer_watch.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "qarax/core/logging.hpp"

namespace qarax::server {

AnswerWatch::AnswerWatch(std::chrono::milliseconds limit, std::chrono::milliseconds look_every)
    : look_every_(look_every), limit_(limit), thread_([this] { watch(); }) {}

AnswerWatch::~AnswerWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void AnswerWatch::follow(int socket) {
  const std::lock_guard lock(mutex_);
  socket_ = core::Fd(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
  cut_ = false;
}

void AnswerWatch::leave() {
  const std::lock_guard lock(mutex_);
  socket_ = core::Fd();
}

void AnswerWatch::allow(std::chrono::milliseconds limit) {
  const std::lock_guard lock(mutex_);
  limit_ = limit;
}

bool AnswerWatch::has_cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

// Counts checks instead of measuring time: after the process itself was stopped for a while, it gets to read the
// answers that came meanwhile.
void AnswerWatch::watch() {
  std::unique_lock lock(mutex_);
  std::uint64_t seen = 0;
  std::chrono::milliseconds waited{0};
  while (!changed_.wait_for(lock, look_every_, [&] { return ending_; })) {
    const std::uint64_t now = waits_for_.load(std::memory_order_relaxed);
    waited = now != 0 && now == seen ? waited + look_every_ : std::chrono::milliseconds(0);
    seen = now;
    if (waited < limit_ || cut_ || !socket_) continue;
    cut_ = true;
    core::logger("store")->error("the database has not answered for {} ms; its connection is ended", waited.count());
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
}

}  // namespace qarax::server
