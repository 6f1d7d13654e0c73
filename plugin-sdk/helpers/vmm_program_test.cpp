#include "vmm_program.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <stdexcept>

#include "real_host.hpp"
#include "temp_folder.hpp"

namespace qarax::plugin {
namespace {

TEST(WhyNotRunnable, SaysWhatIsInTheWay) {
  const TempFolder folder;
  EXPECT_EQ(why_not_runnable("/bin/sh"), "");
  EXPECT_EQ(why_not_runnable("sh"), "it has to be an absolute path");
  EXPECT_EQ(why_not_runnable(folder / "none"), "No such file or directory");
  EXPECT_EQ(why_not_runnable(folder.path()), "it is no file");
  std::ofstream(folder / "text") << "text";
  EXPECT_EQ(why_not_runnable(folder / "text"), "Permission denied");
}

TEST(WhyUnanswered, NamesTheTimeThatItTookOrItsLastWords) {
  RunResult slow;
  slow.timed_out = true;
  EXPECT_FALSE(ended_well(slow));
  EXPECT_EQ(why_unanswered(slow, 5000), "it took more than 5 s");
  RunResult failed;
  failed.exit = {.kind = ExitKind::exited, .code = 1};
  failed.output = "one\ntwo\n";
  EXPECT_FALSE(ended_well(failed));
  EXPECT_EQ(why_unanswered(failed, 5000), "it failed: two");
  EXPECT_EQ(why_unanswered(make_error(Code::unavailable, "busy"), 5000), "busy");
  failed.exit.code = 0;
  EXPECT_TRUE(ended_well(failed));
}

class WatchedTest : public ::testing::Test {
 protected:
  static bool is_stale(int now) { return now == 1; }
  std::shared_ptr<int> renewed(testing::TestCall& of) {
    return watched.renewed(
        of.get(), [](int now) { return is_stale(now); },
        [&] {
          ++finds;
          begun.set_value();
          go.get_future().wait();
          return std::make_shared<int>(2);
        });
  }

  Watched<int> watched{std::make_shared<int>(1)};
  int finds = 0;
  std::promise<void> begun;
  std::promise<void> go;
  testing::TestCall call;
};

TEST_F(WatchedTest, NobodyIsKeptFromWhatThereIsWhileItIsFoundAnew) {
  auto finder = std::async(std::launch::async, [&] { return *renewed(call); });
  begun.get_future().wait();
  EXPECT_EQ(*watched.get(), 1);
  testing::TestCall impatient;
  impatient.cancel();
  EXPECT_EQ(*renewed(impatient), 1);
  testing::TestCall patient;
  auto waiter = std::async(std::launch::async, [&] { return *renewed(patient); });
  go.set_value();
  EXPECT_EQ(finder.get(), 2);
  EXPECT_EQ(waiter.get(), 2);
  EXPECT_EQ(finds, 1) << "one at a time, and it is asked no more than that";
}

TEST_F(WatchedTest, WhatCanNotBeFoundLeavesTheTurnToTheNext) {
  const auto fails = [&]() -> std::shared_ptr<int> { throw std::runtime_error("no memory"); };
  EXPECT_THROW(watched.renewed(call.get(), is_stale, fails), std::runtime_error);
  go.set_value();
  EXPECT_EQ(*renewed(call), 2);
}

TEST(ReminderTest, HasTheHostAskAgain) {
  testing::RealHost host;
  const Reminder soon(host, 1);
  EXPECT_TRUE(host.wait_for("notify "));
}

TEST(ReminderTest, IsNotWaitedForAtTheEnd) {
  testing::RealHost host;
  { const Reminder late(host, 3'600'000); }
  EXPECT_EQ(host.count("notify "), 0);
}

}  // namespace
}  // namespace qarax::plugin
