#include "monitors.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <thread>

#include "temp_folder.hpp"
#include "test_host.hpp"

namespace qarax::qemu {
namespace {

using testing::ScriptedHost;
using testing::TestCall;

constexpr int kPatienceMs = 10'000;

class KeptMonitors : public ::testing::Test {
 protected:
  KeptMonitors() {
    auto listener = listen_unix(dir_, "monitor.sock");
    EXPECT_TRUE(listener);
    EXPECT_TRUE(host.spawn(nullptr, {}, {listener->get()}));
  }

  Result<Monitors::Lease> ask() { return monitors.ask(call.get(), dir_, kPatienceMs); }
  std::string status() {
    auto lease = ask();
    if (!lease) return lease.error().message;
    auto said = (*lease)->query_status(call.get());
    return said ? std::move(*said) : said.error().message;
  }
  std::ptrdiff_t greetings() const {
    const auto commands = host.commands();
    return std::count(commands.begin(), commands.end(), "qmp_capabilities");
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  ScriptedHost host;
  TestCall call;
  Monitors monitors;
};

TEST_F(KeptMonitors, TheNextCallGoesOnWhereTheLastOneEnded) {
  EXPECT_EQ(status(), "prelaunch");
  EXPECT_EQ(status(), "prelaunch");
  EXPECT_EQ(greetings(), 1);
}

TEST_F(KeptMonitors, ARefusedCommandBreaksNothing) {
  host.refuses = "cont";
  {
    auto lease = ask();
    ASSERT_TRUE(lease);
    EXPECT_FALSE((*lease)->cont(call.get()));
  }
  EXPECT_EQ(status(), "prelaunch");
  EXPECT_EQ(greetings(), 1);
}

TEST_F(KeptMonitors, WhoComesMeanwhileIsGreetedWhenTheFirstHasFinished) {
  std::future<std::string> second;
  {
    auto first = ask();
    ASSERT_TRUE(first);
    second = std::async(std::launch::async, [this] { return status(); });
    // Wait until the second call has registered: only then must the first lease hang up for it. Its greeting can't come
    // before that.
    while (monitors.users(dir_) < 2) std::this_thread::yield();
  }
  EXPECT_EQ(second.get(), "prelaunch");
  EXPECT_EQ(greetings(), 2);
}

TEST_F(KeptMonitors, AConversationWithoutAnAnswerIsNotGoneOnWith) {
  {
    auto lease = ask();
    ASSERT_TRUE(lease);
    TestCall impatient;
    impatient.cancel();
    // The next call must not take a late answer for its own.
    host.ignore("query-status");
    EXPECT_EQ((*lease)->query_status(impatient.get()).error().code, Code::cancelled);
    host.ignore("");
  }
  EXPECT_EQ(status(), "prelaunch");
  EXPECT_EQ(greetings(), 2);
}

TEST_F(KeptMonitors, AVmmThatHungUpIsNotTakenForThere) {
  EXPECT_EQ(status(), "prelaunch");
  std::filesystem::remove(dir_ + "/monitor.sock");
  host.end(ExitKind::signaled, 9);
  while (ask()) std::this_thread::yield();  // until the end of QEMU shows
  EXPECT_EQ(ask().error().code, Code::not_found);
}

TEST_F(KeptMonitors, WhatIsForgottenIsGreetedAnew) {
  EXPECT_EQ(status(), "prelaunch");
  monitors.forget(dir_);
  EXPECT_EQ(monitors.users(dir_), 0);
  EXPECT_EQ(status(), "prelaunch");
  EXPECT_EQ(greetings(), 2);
}

}  // namespace
}  // namespace qarax::qemu
