// Where replies to commands arrive: a completion queue with a thread of its own.
//
// gRPC 1.51's callback API, on Linux, takes replies on threads that sleep for 100 ms after each idle second, and frees
// their queue twice when the last channel goes: neither is what a command may meet.
#pragma once

#include <grpcpp/grpcpp.h>

#include <thread>

namespace qarax::server {

class CallQueue {
 public:
  // Of one step of a call; deleted when it has run.
  class Tag {
   public:
    virtual ~Tag() = default;
    virtual void finished(bool ok) = 0;  // on the queue's thread: quick
  };

  CallQueue();
  ~CallQueue();  // every call has finished
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  grpc::CompletionQueue& queue() { return queue_; }

 private:
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace qarax::server
