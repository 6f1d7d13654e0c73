// Ends a connection whose database has stopped answering. libpq, and Poco on top of it, wait for an answer without
// limit, and TCP's timeouts don't fire while the other kernel acknowledges. So this class shuts the socket down beneath
// them: a waiting call sees a broken connection like any other, and statements cost nothing extra. Has a thread of its
// own.
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
  // `look_every`: interval of the checks, and so the precision with which the limit is kept.
  explicit AnswerWatch(std::chrono::milliseconds limit,
                       std::chrono::milliseconds look_every = std::chrono::milliseconds(250));
  ~AnswerWatch();
  AnswerWatch(const AnswerWatch&) = delete;
  AnswerWatch& operator=(const AnswerWatch&) = delete;

  void follow(int socket);  // watches this connection from now on; call it again after a reconnect
  void leave();             // call before closing the connection: this object holds a copy of the socket
  void allow(std::chrono::milliseconds limit);
  bool has_cut() const;  // whether the connection now followed was ended by this object

  // Called by the thread that uses the connection: asked() when it starts to wait for an answer, rest() when it no
  // longer waits.
  void asked() { waits_for_.store(++asked_, std::memory_order_relaxed); }
  void rest() { waits_for_.store(0, std::memory_order_relaxed); }

 private:
  void watch();

  const std::chrono::milliseconds look_every_;
  std::uint64_t asked_ = 0;
  std::atomic<std::uint64_t> waits_for_{0};  // number of the unanswered question; 0: none

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::milliseconds limit_;
  core::Fd socket_;  // a duplicate that only this object closes, so the descriptor can't be reused for another file
  bool cut_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace qarax::server
