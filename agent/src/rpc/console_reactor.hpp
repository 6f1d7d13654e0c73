// The two console calls. Output is written one chunk at a time. The link's thread waits for a slow client; the guest
// never does.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "console.hpp"
#include "node_service.hpp"
#include "qarax/core/documents.hpp"

namespace qarax::agent {

class ReadConsoleReactor final : public grpc::ServerWriteReactor<node::v1::ConsoleChunk> {
 public:
  // Reads the log, and sends it. To be called on a thread that may wait for the disk.
  void begin(const std::string& run_dir, std::int64_t tail_bytes);
  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  // Does what is to be done `first`, which may throw, and sends the next chunk.
  void go_on(const std::function<void()>& first = [] {});

  std::string log_;
  std::size_t at_ = 0;
  node::v1::ConsoleChunk chunk_;
};

// A console that goes on: follows it (ReadConsole with follow) or attaches to it (AttachConsole). Base is the reactor
// type of the call.
template <class Base>
class LiveConsole : public Base, public LiveCall {
 public:
  explicit LiveConsole(NodeService& service) : service_(service) {}

  // Opens the link on another thread, so that a supervisor that hangs makes nobody else wait. The call isn't finished
  // before that is done, and ends by itself when the console does.
  void open(const node::v1::ConsoleRequest& request) {
    {
      const std::lock_guard lock(mutex_);
      if (finished_) return;  // the call was ended while its first message was read
      opening_ = true;
    }
    service_.ask([this, copy = request] {
      // Starting the link's threads fails if the host has no more threads.
      try {
        connect(copy);
        opened();
      } catch (const std::exception& e) {
        end(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, e.what()));
      }
      const std::lock_guard lock(mutex_);
      opening_ = false;
      finish_if_idle();
    });
  }

  void to_guest(std::string data, std::function<void(Status)> done) {
    std::unique_lock lock(mutex_);
    if (link_) return link_->write(std::move(data), std::move(done));
    lock.unlock();
    done(make_error(Code::failed_precondition, "the console isn't open"));
  }

  void end(const grpc::Status& status) override {
    const std::lock_guard lock(mutex_);
    if (!ending_) status_ = status;
    ending_ = true;
    if (link_) link_->close();
    room_.notify_all();
    finish_if_idle();
  }

  // For calls with input: reads the next message, unless the call is ending (nothing may be started after Finish).
  template <class Message>
  void read_more(Message* message) {
    const std::lock_guard lock(mutex_);
    if (!finished_) this->StartRead(message);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    pending_.pop_front();
    if (!ok) ending_ = true;
    room_.notify_all();
    if (ending_)
      finish_if_idle();
    else
      write_next();
  }
  void OnCancel() override { end(grpc::Status::CANCELLED); }
  void OnDone() override {
    // The link's destructor joins its thread, which may be the caller of this, so the events' thread deletes the
    // object.
    service_.live_calls().remove_console(*this);
    service_.live_calls().later([this] {
      { const std::lock_guard last(mutex_); }  // waits until the thread that finished the call has released it
      delete this;
    });
  }

 protected:
  // mark_open() adds to the call's initial metadata, announce() also sends it. Both are called under mutex_, before the
  // first chunk.
  virtual void mark_open() {}
  virtual void announce() {}
  // The link is open, or the call is ending. Called on open()'s thread.
  virtual void opened() {}

 private:
  void connect(const node::v1::ConsoleRequest& request) {
    auto dir = service_.vms().run_dir(request.vm());
    if (!dir) return end(to_grpc(dir.error()));
    auto link = ConsoleLink::open(*dir, request.tail_bytes(), [this](std::string data) { push(std::move(data)); });
    if (!link) return end(to_grpc(link.error()));
    const std::lock_guard lock(mutex_);
    link_ = std::move(*link);
    if (ending_) return link_->close();
    if (!begun_) announce();
    begun_ = true;
  }

  static constexpr std::size_t kMaxPending = 16;
  static grpc::Status to_grpc(const Error& error) {
    return {static_cast<grpc::StatusCode>(error.code), error.message, encode(error)};
  }

  void push(std::string data) {
    std::unique_lock lock(mutex_);
    if (data.empty()) {
      draining_ = true;
      finish_if_idle();
      return;
    }
    room_.wait(lock, [&] { return ending_ || pending_.size() < kMaxPending; });
    if (ending_) return;
    node::v1::ConsoleChunk chunk;
    chunk.set_data(std::move(data));
    pending_.push_back(std::move(chunk));
    write_next();
  }
  void write_next() {
    if (pending_.empty()) return finish_if_idle();
    if (writing_ || ending_) return;
    if (!begun_) mark_open();
    begun_ = true;
    writing_ = true;
    this->StartWrite(&pending_.front());
  }
  void finish_if_idle() {
    if (opening_ || writing_ || finished_ || !(ending_ || (draining_ && pending_.empty()))) return;
    finished_ = true;
    this->Finish(status_);
  }

  NodeService& service_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::unique_ptr<ConsoleLink> link_;
  std::deque<node::v1::ConsoleChunk> pending_;
  bool begun_ = false;  // the initial metadata is sent or about to be
  bool opening_ = false;
  bool writing_ = false;
  bool ending_ = false;
  bool draining_ = false;
  bool finished_ = false;
  grpc::Status status_;
};

class FollowReactor final : public LiveConsole<grpc::ServerWriteReactor<node::v1::ConsoleChunk>> {
 public:
  using LiveConsole::LiveConsole;
};

class AttachReactor final
    : public LiveConsole<grpc::ServerBidiReactor<node::v1::ConsoleInput, node::v1::ConsoleChunk>> {
 public:
  AttachReactor(NodeService& service, grpc::CallbackServerContext* context)
      : LiveConsole(service),
        node_(service),
        context_(context),
        asks_until_(std::chrono::steady_clock::now() + std::chrono::milliseconds(service.first_message_ms())) {}
  void begin() { read_more(&input_); }
  void look_at_clock() override;
  void OnReadDone(bool ok) override;

 protected:
  void opened() override { take_input(); }
  void mark_open() override { context_->AddInitialMetadata(core::kConsoleOpen, "1"); }
  void announce() override {
    mark_open();
    StartSendInitialMetadata();
  }

 private:
  void take_input();

  NodeService& node_;
  grpc::CallbackServerContext* context_;
  node::v1::ConsoleInput input_;
  const std::chrono::steady_clock::time_point asks_until_;
  std::atomic<bool> asked_{false};  // the first message, which names the VM and the caller, was read
};

}  // namespace qarax::agent
