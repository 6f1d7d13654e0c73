// Ends a connection whose database has stopped answering. libpq, and Poco on it, wait for an answer without limit, and
// TCP's limits say nothing while the other kernel acknowledges. So the socket is shut down beneath them: what waits
// hears of it as of any broken connection, and no statement costs more for it. Has a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "qarax/core/files.hpp"

namespace qarax::server {

class AnswerWatch {
 public:
  // `look_every`: as exact as the limit is kept.
  explicit AnswerWatch(std::chrono::milliseconds limit,
                       std::chrono::milliseconds look_every = std::chrono::milliseconds(250));
  ~AnswerWatch();
  AnswerWatch(const AnswerWatch&) = delete;
  AnswerWatch& operator=(const AnswerWatch&) = delete;

  void follow(int socket);  // of a connection that was made; also of the next one
  void leave();             // before it is closed: this holds the socket open, too
  void allow(std::chrono::milliseconds limit);
  bool has_cut() const;  // the connection that is followed

  // By the thread that has the connection: an answer is waited for from now on; none is.
  void asked() { waits_for_.store(++asked_, std::memory_order_relaxed); }
  void rest() { waits_for_.store(0, std::memory_order_relaxed); }

 private:
  void watch();

  const std::chrono::milliseconds look_every_;
  std::uint64_t asked_ = 0;
  std::atomic<std::uint64_t> waits_for_{0};  // the number of a question

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::milliseconds limit_;
  core::Fd socket_;  // a copy, which nobody else closes: its number stays this connection's
  bool cut_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace qarax::server
