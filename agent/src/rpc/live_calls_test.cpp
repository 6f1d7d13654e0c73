#include "live_calls.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <vector>

namespace qarax::agent {
namespace {

using namespace std::chrono_literals;

// What a call hears, for the test to wait for.
class Heard {
 public:
  void add(std::string what) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(what));
    changed_.notify_all();  // under the lock: whoever waits may destroy the object next
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  void wait_for(std::size_t number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return all_.size() >= number; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> all_;
};

class FakeWatch final : public LiveWatch {
 public:
  explicit FakeWatch(AuthorityClaim claim = {}) : claim_(std::move(claim)) {}
  const AuthorityClaim& claim() const override { return claim_; }
  void enqueue(node::v1::Event event) override {
    if (event.has_heartbeat())
      beats.add("beat");
    else
      heard.add(event.node_info());
  }
  void enqueue_progress(const std::string& vm, const node::v1::Event& event) override {
    heard.add(vm + " " + event.progress());
  }
  void end(const grpc::Status& status) override { heard.add("ended: " + status.error_message()); }

  Heard heard;
  Heard beats;

 private:
  const AuthorityClaim claim_;
};

class FakeConsole final : public LiveCall {
 public:
  void end(const grpc::Status& status) override { heard.add("ended: " + status.error_message()); }
  void look_at_clock() override { looks.add("look"); }

  Heard heard;
  Heard looks;
};

const std::vector<std::string> kEnded{"ended: the node agent is shutting down"};

class LiveCallsTest : public ::testing::Test {
 protected:
  // Its heartbeat never comes by itself within a test.
  LiveCalls& calls() {
    if (!calls_) calls_ = std::make_unique<LiveCalls>(1h, [this] { return describe(); });
    return *calls_;
  }
  node::v1::Event describe() {
    node::v1::Event event;
    event.set_node_info("node " + std::to_string(++described_));
    return event;
  }
  // Everything that was enqueued before has been carried out when this returns.
  void drain() {
    Heard done;
    calls().later([&] { done.add("done"); });
    done.wait_for(1);
  }

  FakeWatch watch_;  // outlives the calls, whose last heartbeat may reach it
  FakeConsole console_;
  std::atomic<int> described_{0};
  std::unique_ptr<LiveCalls> calls_;
};

TEST_F(LiveCallsTest, TheHeartbeatReachesWatchesAndConsoles) {
  calls_ = std::make_unique<LiveCalls>(1ms, [this] { return describe(); });
  EXPECT_TRUE(calls().add_watch(watch_));
  calls().add_console(console_);
  watch_.beats.wait_for(3);
  console_.looks.wait_for(3);
  EXPECT_EQ(watch_.heard.all(), std::vector<std::string>());
}

TEST_F(LiveCallsTest, SlowWorkDoesNotHoldUpTheHeartbeat) {
  calls_ = std::make_unique<LiveCalls>(1ms, [this] { return describe(); });
  EXPECT_TRUE(calls().add_watch(watch_));
  calls().later([this] { watch_.beats.wait_for(watch_.beats.all().size() + 3); });
  drain();
}

TEST_F(LiveCallsTest, WhatIsQueuedIsCarriedOutInItsOrderAlsoAtTheEnd) {
  Heard order;
  std::promise<void> go;
  LiveCalls& calls = this->calls();
  calls.later([begin = go.get_future().share()] { begin.wait(); });
  calls.later([] { throw std::runtime_error("this task alone ends by that"); });
  calls.later([&] {
    order.add("first");
    calls.later([&] { order.add("third"); });
  });
  calls.later([&] { order.add("second"); });
  go.set_value();
  calls_.reset();
  EXPECT_EQ(order.all(), (std::vector<std::string>{"first", "second", "third"}));
}

TEST_F(LiveCallsTest, HowTheNodeIsIsToldOnceForAllThatHasChangedSoFar) {
  EXPECT_TRUE(calls().add_watch(watch_));
  std::promise<void> go;
  calls().later([begin = go.get_future().share()] { begin.wait(); });
  calls().node_changed();
  calls().node_changed();
  go.set_value();
  drain();
  EXPECT_EQ(watch_.heard.all(), (std::vector<std::string>{"node 1"}));
  calls().node_changed();
  drain();
  EXPECT_EQ(watch_.heard.all(), (std::vector<std::string>{"node 1", "node 2"}));
}

TEST_F(LiveCallsTest, ProgressReachesWatchesAsLongAsTheyAreKnown) {
  EXPECT_TRUE(calls().add_watch(watch_));
  node::v1::Event event;
  event.set_progress("1/4");
  calls().progressed("vm", event);
  calls().remove_watch(watch_);
  calls().progressed("vm", event);
  EXPECT_EQ(watch_.heard.all(), (std::vector<std::string>{"vm 1/4"}));
}

TEST_F(LiveCallsTest, OnlyTheWatchesOfOtherServersAreEnded) {
  const AuthorityClaim obeyed{"cluster", 2, "activation"};
  FakeWatch its_own(obeyed);
  FakeWatch of_before({"cluster", 1, "activation"});
  EXPECT_TRUE(calls().add_watch(its_own));
  EXPECT_TRUE(calls().add_watch(of_before));
  calls().add_console(console_);
  calls().end_watches_except(obeyed, {grpc::StatusCode::ABORTED, "replaced"});
  EXPECT_EQ(its_own.heard.all(), std::vector<std::string>());
  EXPECT_EQ(of_before.heard.all(), (std::vector<std::string>{"ended: replaced"}));
  EXPECT_EQ(console_.heard.all(), std::vector<std::string>());
  calls().remove_watch(its_own);
  calls().remove_watch(of_before);
}

TEST_F(LiveCallsTest, TheEndEndsEveryCallThatIsKnownAndThoseThatComeLater) {
  FakeConsole removed;
  FakeConsole late_console;
  FakeWatch late_watch;
  EXPECT_TRUE(calls().add_watch(watch_));
  calls().add_console(console_);
  calls().add_console(removed);
  calls().remove_console(removed);
  calls().end_all();
  EXPECT_EQ(watch_.heard.all(), kEnded);
  EXPECT_EQ(console_.heard.all(), kEnded);
  EXPECT_EQ(removed.heard.all(), std::vector<std::string>());
  EXPECT_FALSE(calls().add_watch(late_watch));
  EXPECT_EQ(late_watch.heard.all(), kEnded);
  calls().progressed("vm", {});
  EXPECT_EQ(late_watch.heard.all(), kEnded) << "it isn't known";
  calls().add_console(late_console);
  EXPECT_EQ(late_console.heard.all(), kEnded);
  calls().remove_console(late_console);
  drain();  // the calls' removal is still carried out
}

}  // namespace
}  // namespace qarax::agent
