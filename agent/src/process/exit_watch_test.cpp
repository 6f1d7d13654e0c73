#include "exit_watch.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "no_descriptors.hpp"

namespace qarax::agent {
namespace {

constexpr std::chrono::seconds kWatchPatience{10};

pid_t child() {
  const pid_t pid = ::fork();
  if (pid == 0)
    for (;;) ::pause();
  return pid;
}
ProcessId id_of(pid_t pid) { return {pid, core::process_start_time(pid).value_or(0)}; }
void kill_and_reap(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

// A process that isn't this process's child, because its parent has ended. It lives while leash[1] is open. Returns its
// pid.
pid_t stranger(int (&leash)[2]) {
  int told[2];
  EXPECT_EQ(::pipe(told), 0);
  EXPECT_EQ(::pipe(leash), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    ::close(leash[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(told[1]);
      char byte = 0;
      static_cast<void>(::read(leash[0], &byte, 1));
      ::_exit(0);
    }
    static_cast<void>(::write(told[1], &pid, sizeof pid));
    ::_exit(0);
  }
  pid_t pid = 0;
  EXPECT_EQ(::read(told[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ::waitpid(parent, nullptr, 0);
  ::close(told[0]);
  ::close(told[1]);
  ::close(leash[0]);
  return pid;
}

TEST(ExitWatchTest, WhatIsWatchedAlreadyIsToldOnceAndTakesNoSecondDescriptor) {
  ExitWatch watch;
  const pid_t pid = child();
  std::promise<void> first;
  std::atomic<int> others{0};
  watch.watch(id_of(pid), [&] { first.set_value(); });
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = descriptors();
  for (int i = 0; i < 3; ++i) watch.watch(id_of(pid), [&] { ++others; });
  EXPECT_EQ(descriptors(), before);
  const pid_t later = child();
  std::promise<void> after;
  watch.watch(id_of(later), [&] { after.set_value(); });
  kill_and_reap(pid);
  ASSERT_EQ(first.get_future().wait_for(kWatchPatience), std::future_status::ready);
  kill_and_reap(later);
  ASSERT_EQ(after.get_future().wait_for(kWatchPatience), std::future_status::ready);
  EXPECT_EQ(others, 0);
}

TEST(ExitWatchTest, AChildsEndIsToldOnceAndTheChildIsReaped) {
  ExitWatch watch;
  const pid_t pid = child();
  std::promise<void> ended;
  std::atomic<int> calls{0};
  watch.watch(id_of(pid), [&] {
    if (++calls == 1) ended.set_value();
  });
  ::kill(pid, SIGKILL);
  ASSERT_EQ(ended.get_future().wait_for(kWatchPatience), std::future_status::ready);
  EXPECT_EQ(::waitpid(pid, nullptr, WNOHANG), -1) << "nobody else has to reap it";
  EXPECT_EQ(calls, 1);
}

TEST(ExitWatchTest, AnEndThatCouldNotBeToldIsToldAgain) {
  ExitWatch watch;
  const pid_t pid = child();
  std::promise<void> told;
  int calls = 0;
  watch.watch(id_of(pid), [&] {
    if (++calls == 1) throw std::runtime_error("of the test");
    told.set_value();
  });
  ::kill(pid, SIGKILL);
  EXPECT_EQ(told.get_future().wait_for(kWatchPatience), std::future_status::ready);
}

TEST(ExitWatchTest, AProcessOfSomebodyElsesIsWatchedToo) {
  ExitWatch watch;
  int leash[2];
  const pid_t pid = stranger(leash);
  std::promise<void> ended;
  watch.watch(id_of(pid), [&] { ended.set_value(); });
  auto future = ended.get_future();
  EXPECT_NE(future.wait_for(std::chrono::milliseconds(0)), std::future_status::ready);
  ::close(leash[1]);
  EXPECT_EQ(future.wait_for(kWatchPatience), std::future_status::ready);
}

TEST(ExitWatchTest, WhatIsGoneAlreadyIsToldFromTheSameThread) {
  ExitWatch watch;
  const pid_t pid = child();
  const ProcessId gone = id_of(pid);
  kill_and_reap(pid);
  std::promise<std::thread::id> told;
  watch.watch(gone, [&] { told.set_value(std::this_thread::get_id()); });
  auto future = told.get_future();
  ASSERT_EQ(future.wait_for(kWatchPatience), std::future_status::ready);
  EXPECT_NE(future.get(), std::this_thread::get_id());
}

TEST(ExitWatchTest, APidThatSomebodyElseHasNowIsGone) {
  ExitWatch watch;
  const pid_t pid = child();
  ProcessId earlier = id_of(pid);
  --earlier.start_time;
  std::promise<void> told;
  watch.watch(earlier, [&] { told.set_value(); });
  EXPECT_EQ(told.get_future().wait_for(kWatchPatience), std::future_status::ready);
  EXPECT_TRUE(is_alive(id_of(pid))) << "whoever has the number is left alone";
  kill_and_reap(pid);
}

TEST(ExitWatchTest, ManyAtOnceAreEachToldOnce) {
  constexpr int kMany = 100;
  ExitWatch watch;
  std::vector<pid_t> pids;
  std::vector<std::atomic<int>> calls(kMany);
  std::atomic<int> ended{0};
  std::promise<void> all;
  for (int i = 0; i < kMany; ++i) pids.push_back(child());
  for (int i = 0; i < kMany; ++i)
    watch.watch(id_of(pids[static_cast<std::size_t>(i)]), [&, i] {
      ++calls[static_cast<std::size_t>(i)];
      if (++ended == kMany) all.set_value();
    });
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
  ASSERT_EQ(all.get_future().wait_for(kWatchPatience), std::future_status::ready);
  for (const auto& count : calls) EXPECT_EQ(count, 1);
}

TEST(ExitWatchTest, ItsEndDropsWhatIsStillToBeTold) {
  const pid_t pid = child();
  bool told = false;
  {
    ExitWatch().watch(id_of(pid), [&] { told = true; });
  }
  kill_and_reap(pid);
  EXPECT_FALSE(told);
}

// The callback for a process that is gone shows that the watch has looked: by then a false alarm would have been
// raised.
TEST(ExitWatchTest, WithoutAFreeDescriptorNothingIsTakenForGone) {
  ExitWatch watch;
  const pid_t pid = child();
  const ProcessId id = id_of(pid);
  std::atomic<bool> told{false};
  std::promise<void> ended;
  {
    const NoDescriptors none;
    watch.watch(id, [&] {
      told = true;
      ended.set_value();
    });
  }
  ProcessId earlier = id;
  --earlier.start_time;
  std::promise<void> looked;
  watch.watch(earlier, [&] { looked.set_value(); });
  ASSERT_EQ(looked.get_future().wait_for(kWatchPatience), std::future_status::ready);
  EXPECT_FALSE(told) << "it runs";
  ::kill(pid, SIGKILL);
  EXPECT_EQ(ended.get_future().wait_for(kWatchPatience), std::future_status::ready);
}

// In every spawn a child holds, for a moment, a copy of each of our descriptors, including the watched pidfds.
TEST(ExitWatchTest, AChildThatHoldsCopiesOfItsDescriptorsChangesNothing) {
  ExitWatch watch;
  const auto end_of = [&](pid_t pid) {
    auto said = std::make_shared<std::promise<void>>();
    watch.watch(id_of(pid), [said] { said->set_value(); });
    ::kill(pid, SIGKILL);
    return said->get_future().wait_for(kWatchPatience);
  };
  const pid_t first = child();
  const pid_t holds_copies = child();
  EXPECT_EQ(end_of(first), std::future_status::ready);
  EXPECT_EQ(end_of(child()), std::future_status::ready);
  kill_and_reap(holds_copies);
}

}  // namespace
}  // namespace qarax::agent
