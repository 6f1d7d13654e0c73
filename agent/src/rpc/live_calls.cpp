#include "live_calls.hpp"

#include <utility>

#include "qarax/core/threads.hpp"

namespace qarax::agent {

namespace {

grpc::Status shutting_down() { return {grpc::StatusCode::UNAVAILABLE, "the node agent is shutting down"}; }

}  // namespace

LiveCalls::LiveCalls(std::chrono::milliseconds heartbeat, DescribeNode describe_node)
    : heartbeat_(heartbeat),
      describe_node_(std::move(describe_node)),
      worker_([this] { work(); }),
      heart_([this] { beat(); }) {}

LiveCalls::~LiveCalls() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ended_ = true;
  }
  changed_.notify_all();
  heart_.join();
  worker_.join();
}

void LiveCalls::work() {
  core::name_this_thread("events");
  std::unique_lock lock(mutex_);
  while (!ended_ || !queue_.empty()) {
    changed_.wait(lock, [&] { return ended_ || !queue_.empty(); });
    while (!queue_.empty()) {
      auto task = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      core::guarded("events", task);
      lock.lock();
    }
  }
}

void LiveCalls::beat() {
  core::name_this_thread("heartbeat");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, heartbeat_, [&] { return stopping_; });
    core::guarded("heartbeat", [&] {
      node::v1::Event event;
      event.mutable_heartbeat();
      for (LiveWatch* watch : watches_) watch->enqueue(event);
      for (LiveCall* console : consoles_) console->look_at_clock();
    });
  }
}

void LiveCalls::later(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void LiveCalls::node_changed() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(describing_, true)) return;
  }
  later([this] {
    {
      const std::lock_guard lock(mutex_);
      describing_ = false;
    }
    const node::v1::Event event = describe_node_();
    const std::lock_guard lock(mutex_);
    for (LiveWatch* watch : watches_) watch->enqueue(event);
  });
}

void LiveCalls::progressed(const std::string& vm, const node::v1::Event& event) {
  const std::lock_guard lock(mutex_);
  for (LiveWatch* watch : watches_) watch->enqueue_progress(vm, event);
}

void LiveCalls::end_watches_except(const AuthorityClaim& obeyed, const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  for (LiveWatch* watch : watches_)
    if (!(watch->claim() == obeyed)) watch->end(status);
}

void LiveCalls::end_all() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  for (LiveWatch* watch : watches_) watch->end(shutting_down());
  for (LiveCall* console : consoles_) console->end(shutting_down());
}

bool LiveCalls::add_watch(LiveWatch& watch) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) return watches_.insert(&watch).second;
  }
  watch.end(shutting_down());
  return false;
}

void LiveCalls::remove_watch(LiveWatch& watch) {
  const std::lock_guard lock(mutex_);
  watches_.erase(&watch);
}

void LiveCalls::add_console(LiveCall& console) {
  const std::lock_guard lock(mutex_);
  consoles_.insert(&console);
  if (stopping_) console.end(shutting_down());
}

void LiveCalls::remove_console(LiveCall& console) {
  const std::lock_guard lock(mutex_);
  consoles_.erase(&console);
}

}  // namespace qarax::agent
