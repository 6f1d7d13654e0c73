// A console that is open at a node: one bidirectional call on the queue of commands, without a thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "call_queue.hpp"
#include "fleet.hpp"
#include "qarax/node/v1/node.grpc.pb.h"

namespace qarax::server {

// The call. Its pending steps keep it alive until the last of them is done. Thread-safe.
class ConsoleCall final : public std::enable_shared_from_this<ConsoleCall> {
 public:
  // `done` is called once, on the queue's thread, when the call is over.
  ConsoleCall(std::shared_ptr<grpc::ClientContext> context, std::function<void()> done)
      : context_(std::move(context)), done_(std::move(done)) {}

  // Call this once. `connection` is kept until the call is over.
  void start(node::v1::Node::Stub& stub, std::shared_ptr<void> connection, grpc::CompletionQueue& queue,
             const node::v1::ConsoleRequest& request);
  // Blocks until the node says that the console is open. Otherwise the call ends: the node's error, or UNAVAILABLE
  // "node-unreachable" after `limit`.
  Status wait_open(std::chrono::milliseconds limit);

  void on_change(std::function<void()> wake);
  void take(std::string& out);
  std::optional<Status> ended();
  bool has_room() const;
  void give(std::string_view bytes);
  std::size_t unsent() const;
  void end_input();
  void hang_up();
  // Ends the call for the link's sake, whoever holds it and however much of the output isn't taken: that can still be
  // taken afterwards, and ended() follows it. Any thread, also before start().
  void interrupt();

 private:
  class Step;
  using Handler = void (ConsoleCall::*)(bool ok);

  CallQueue::Tag* step(Handler handler);
  void started(bool ok);
  void greeted(bool ok);
  void have_read(bool ok);
  void have_written(bool ok);
  void input_ended(bool ok);
  void finished(bool ok);
  // Call these with mutex_ held.
  void read_more();
  void write_more();
  void finish();
  void give_up();

  const std::shared_ptr<grpc::ClientContext> context_;
  std::function<void()> done_;
  std::shared_ptr<void> connection_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<node::v1::ConsoleInput, node::v1::ConsoleChunk>> stream_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> wake_;
  node::v1::ConsoleChunk chunk_;    // being read
  node::v1::ConsoleInput sending_;  // being written
  std::string output_;
  std::string input_;
  grpc::Status status_;
  bool open_ = false;
  bool reading_ = true;  // a step is under way after which reading goes on; at first the call's begin
  bool writing_ = false;
  bool input_over_ = false;  // end_input() was called
  bool input_told_ = false;  // WritesDone was begun
  bool cancelled_ = false;   // what still comes is dropped
  bool finishing_ = false;
  bool over_ = false;
};

class NodeConsole final : public ConsoleLine {
 public:
  explicit NodeConsole(std::shared_ptr<ConsoleCall> call) : call_(std::move(call)) {}
  ~NodeConsole() override { call_->hang_up(); }
  NodeConsole(const NodeConsole&) = delete;
  NodeConsole& operator=(const NodeConsole&) = delete;

  void on_change(std::function<void()> wake) override { call_->on_change(std::move(wake)); }
  void take(std::string& out) override { call_->take(out); }
  std::optional<Status> ended() override { return call_->ended(); }
  bool has_room() const override { return call_->has_room(); }
  void give(std::string_view bytes) override { call_->give(bytes); }
  std::size_t unsent() const override { return call_->unsent(); }
  void end_input() override { call_->end_input(); }

 private:
  const std::shared_ptr<ConsoleCall> call_;
};

}  // namespace qarax::server
