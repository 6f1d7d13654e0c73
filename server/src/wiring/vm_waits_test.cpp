#include "wiring/vm_waits.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <mutex>

#include "handlers/fake_operations.hpp"

namespace qarax::server {
namespace {

using testing::FakeReader;
using testing::TempStore;
using Pieces = std::deque<Result<std::optional<std::string>>>;

class VmWaitsTest : public ::testing::Test {
 protected:
  VmWaitsTest() : operations(*store) {
    NewVmInput input;
    input.name = "web";
    id = (*store->create_vm(input))->id;
  }
  void act(core::Action action) {
    ActionCall call;
    call.vm_id = id;
    call.action = action;
    const auto done = operations.act(call);
    ASSERT_TRUE(done) << done.error().message;
  }
  WaitCall wait_for(std::string text, int ms = 20'000) const {
    WaitCall call;
    call.vm_id = id;
    call.text = std::move(text);
    call.timeout = std::chrono::milliseconds(ms);
    return call;
  }
  static std::optional<std::string> piece(std::string text) { return text; }

  TempStore store;
  testing::FakeOperations operations;
  Pieces console;
  std::atomic<bool> ending{false};
  VmWaits waits{*store,
                {[this](const VmRecord&) -> Result<std::unique_ptr<ConsoleReader>> {
                   return std::unique_ptr<ConsoleReader>(std::make_unique<FakeReader>(console));
                 },
                 [](const VmRecord&) { return std::string("last words"); }, [this] { return ending.load(); }}};
  std::string id;
};

TEST_F(VmWaitsTest, WhatIsThereAlreadyIsntWaitedFor) {
  act(core::Action::start);
  const auto vm = waits.wait(wait_for("", 0));
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ((*vm)->observed.status.state, VmState::running);
}

TEST_F(VmWaitsTest, AStartBySomebodyElseEndsTheWait) {
  auto waiting = std::async(std::launch::async, [&] { return waits.wait(wait_for("")); });
  act(core::Action::start);
  const auto vm = waiting.get();
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ((*vm)->observed.status.state, VmState::running);
}

TEST_F(VmWaitsTest, ATimeoutSaysWhatTheConsoleSaidLast) {
  const auto vm = waits.wait(wait_for("", 1));
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().reason, "wait-timeout");
  EXPECT_NE(vm.error().message.find("created"), std::string::npos);
  ASSERT_EQ(vm.error().details.size(), 1u);
  EXPECT_EQ(vm.error().details[0].detail, "last words");
}

TEST_F(VmWaitsTest, AWaitForATextThatHeardNothingSaysWhatTheConsoleSaidLast) {
  act(core::Action::start);
  const auto vm = waits.wait(wait_for("login:", 0));
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().reason, "wait-timeout");
  ASSERT_EQ(vm.error().details.size(), 1u);
  EXPECT_EQ(vm.error().details[0].pointer, "/console_tail");
  EXPECT_EQ(vm.error().details[0].detail, "last words");
}

TEST_F(VmWaitsTest, ATextMayComeInPieces) {
  act(core::Action::start);
  console = {piece("boot\nlog"), piece(""), piece("i"), piece("n: "), piece("more")};
  const auto vm = waits.wait(wait_for("login:"));
  EXPECT_TRUE(vm) << vm.error().message;
}

TEST_F(VmWaitsTest, AGuestThatEndsEndsTheWait) {
  act(core::Action::start);
  console = {piece("boot\npanic\n")};
  WaitCall call = wait_for("login:");
  call.incarnation = 1;
  auto waiting = std::async(std::launch::async, [&] { return waits.wait(call); });
  act(core::Action::force_stop);
  const auto vm = waiting.get();
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().reason, "wait-ended") << vm.error().message;
  EXPECT_EQ(vm.error().details.at(0).pointer, "/console_tail");
  EXPECT_EQ(vm.error().details.at(0).detail, "boot\npanic\n");
}

// The VM has ended before the wait first looks: its log still shows the text.
TEST_F(VmWaitsTest, AGuestThatWasQuickerIsHeardToo) {
  act(core::Action::start);
  act(core::Action::force_stop);
  console = {piece("login: bye\n")};
  WaitCall call = wait_for("login:");
  call.incarnation = 1;  // the start that was just asked for
  EXPECT_TRUE(waits.wait(call));
  call.text = "never";
  EXPECT_EQ(waits.wait(call).error().reason, "wait-ended");
}

TEST_F(VmWaitsTest, ANodeThatIsAwayForAMomentEndsNoWait) {
  act(core::Action::start);
  const auto away = [] { return make_error(Code::unavailable, "its node can't be reached", "node-unreachable"); };
  std::deque<Result<Pieces>> times = {Pieces{piece("boot\n"), away()}, away(), Pieces{piece("boot\nlogin:")}};
  std::size_t followed = 0;
  VmWaits twice{*store,
                {[&](const VmRecord&) -> Result<std::unique_ptr<ConsoleReader>> {
                   const auto& now = times[std::min(followed++, times.size() - 1)];
                   if (!now) return now.error();
                   return std::unique_ptr<ConsoleReader>(std::make_unique<FakeReader>(*now));
                 },
                 [](const VmRecord&) { return std::string(); }, [] { return false; }}};
  const auto vm = twice.wait(wait_for("login:"));
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ(followed, 3u);
  times = {Pieces{piece("boot\n"), away()}, away()};
  followed = 0;
  const auto in_vain = twice.wait(wait_for("login:", 300));
  ASSERT_FALSE(in_vain);
  EXPECT_EQ(in_vain.error().reason, "wait-timeout") << in_vain.error().message;
  EXPECT_EQ(in_vain.error().details.at(0).detail, "boot\n");
}

TEST_F(VmWaitsTest, AConsoleThatIsNeverReachedIsNoGuestThatDidntSayIt) {
  act(core::Action::start);
  VmWaits away{*store,
               {[](const VmRecord&) -> Result<std::unique_ptr<ConsoleReader>> {
                  Error error = make_error(Code::unavailable, "its node can't be reached", "node-unreachable");
                  error.retry_after_ms = 2000;
                  return error;
                },
                [](const VmRecord&) { return std::string(); }, [] { return false; }}};
  WaitCall call = wait_for("login:", 50);
  call.incarnation = 1;
  EXPECT_EQ(away.wait(call).error().reason, "node-unreachable");
  act(core::Action::force_stop);
  const auto ended = away.wait(call);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().reason, "node-unreachable") << "it may have shown the text before its end";
  EXPECT_EQ(ended.error().retry_after_ms, 2000);
}

TEST_F(VmWaitsTest, ADeletedVmIsWaitedForNoLonger) {
  auto waiting = std::async(std::launch::async, [&] { return waits.wait(wait_for("")); });
  ASSERT_TRUE(store->remove_vm(id, Removal::by_job));
  EXPECT_EQ(waiting.get().error().reason, "vm-not-found");
}

TEST_F(VmWaitsTest, NobodyKeepsTheServer) {
  auto waiting = std::async(std::launch::async, [&] { return waits.wait(wait_for("")); });
  ending = true;
  EXPECT_EQ(waiting.get().error().reason, "shutting-down");
}

TEST_F(VmWaitsTest, ThereAreOnlySoMany) {
  std::vector<std::future<Result<VmPtr>>> waiting;
  std::promise<void> refused;
  for (int i = 0; i < 65; ++i)
    waiting.push_back(std::async(std::launch::async, [&] {
      auto vm = waits.wait(wait_for(""));
      if (vm.error().reason == "overloaded") refused.set_value();
      return vm;
    }));
  refused.get_future().wait();
  ending = true;
  int told = 0;
  for (auto& one : waiting) told += one.get().error().reason == "shutting-down" ? 1 : 0;
  EXPECT_EQ(told, 64);
  ending = false;
  EXPECT_EQ(waits.wait(wait_for("", 0)).error().reason, "wait-timeout") << "and room again afterwards";
}

}  // namespace
}  // namespace qarax::server
