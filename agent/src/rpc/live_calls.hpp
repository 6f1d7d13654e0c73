// The service's calls that go on until they are ended: the servers' streams of events, and consoles. Tells all of them
// what concerns them all, and ends them when the node ends.
//
// Threads: one carries out, in order, what later() and node_changed() enqueue. The other only beats, so that slow work
// doesn't make the node look dead. All functions may be called on any thread.
// Locks: one mutex, held while a call's functions run, which therefore only enqueue. Order of locks: that of whoever
// reports progress, then this one, then a call's own. A call takes none of its own when it adds or removes itself.
// Ownership: a call belongs to itself and is known here from its adding to its removal. It removes itself before it is
// destroyed.
// The end: end_all() first, and only then grpc::Server::Shutdown, which waits for every call. A console that has ended
// is destroyed by later(). The destructor comes last: it carries out what is queued and joins both threads, so whatever
// may still enqueue something is stopped before.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "claim_file.hpp"
#include "qarax/node/v1/node.pb.h"

namespace qarax::agent {

class LiveCall {
 public:
  virtual ~LiveCall() = default;
  virtual void end(const grpc::Status& status) = 0;  // any thread, only enqueues; may be called again
  virtual void look_at_clock() {}                    // a console's, at each heartbeat, on its thread; must be quick
};

// A server's stream of events. Any thread; the functions only enqueue.
class LiveWatch : public LiveCall {
 public:
  virtual const AuthorityClaim& claim() const = 0;  // of the server that watches
  virtual void enqueue(node::v1::Event event) = 0;
  virtual void enqueue_progress(const std::string& vm, const node::v1::Event& event) = 0;
};

class LiveCalls {
 public:
  using DescribeNode = std::function<node::v1::Event()>;

  // `describe_node` is called on the events' thread, without a lock.
  LiveCalls(std::chrono::milliseconds heartbeat, DescribeNode describe_node);
  ~LiveCalls();
  LiveCalls(const LiveCalls&) = delete;
  LiveCalls& operator=(const LiveCalls&) = delete;

  // False: end_all() came before. The watch is ended and not known here.
  [[nodiscard]] bool add_watch(LiveWatch& watch);
  void remove_watch(LiveWatch& watch);  // does nothing if it isn't known
  // After end_all() the console is known all the same, and is ended at once.
  void add_console(LiveCall& console);
  void remove_console(LiveCall& console);

  // Tells every watch how the node is. Only enqueues, and nothing if that is enqueued already.
  void node_changed();
  void progressed(const std::string& vm, const node::v1::Event& event);
  void end_watches_except(const AuthorityClaim& obeyed, const grpc::Status& status);
  // Ends every call, also those that come later. The heartbeat stops.
  void end_all();
  // `task` may block, but then delays all that follows. What it throws ends that task alone.
  void later(std::function<void()> task);

 private:
  void work();
  void beat();

  const std::chrono::milliseconds heartbeat_;
  const DescribeNode describe_node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<LiveWatch*> watches_;
  std::set<LiveCall*> consoles_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;    // no new calls
  bool ended_ = false;       // nobody queues any more
  bool describing_ = false;  // a node_changed is queued already
  std::thread worker_;       // the threads come last, because they use all of the above
  std::thread heart_;
};

}  // namespace qarax::agent
