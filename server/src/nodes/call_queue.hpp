// Receives the replies to asynchronous calls: a completion queue with a thread of its own.
// gRPC 1.51's callback API, on Linux, receives replies on threads that sleep for 100 ms after each idle second, and
// frees their queue twice when the last channel goes. Commands can live with neither.
#pragma once

#include <grpcpp/grpcpp.h>

#include <thread>

namespace qarax::server {

class CallQueue {
 public:
  // Handles the end of one step of a call; the queue deletes it afterwards.
  class Tag {
   public:
    virtual ~Tag() = default;
    virtual void finished(bool ok) = 0;  // runs on the queue's thread: must be quick
  };

  CallQueue();
  ~CallQueue();  // every call must have finished
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  grpc::CompletionQueue& queue() { return queue_; }

 private:
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace qarax::server
