#include "exit_watch.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <memory>

namespace qarax::agent {
namespace {

// A process that does nothing until it is ended.
class Child {
 public:
  Child() : pid_(::fork()) {
    while (pid_ == 0) ::pause();
  }
  ~Child() {
    end();
    ::waitpid(pid_, nullptr, 0);
  }
  ProcessId id() const { return {pid_, core::process_start_time(pid_).value_or(0)}; }
  void end() const { ::kill(pid_, SIGKILL); }

 private:
  pid_t pid_;
};

std::future<void> watched(ExitWatch& watch, const Child& child) {
  auto said = std::make_shared<std::promise<void>>();
  watch.watch(child.id(), [said] { said->set_value(); });
  return said->get_future();
}

constexpr auto kLong = std::chrono::seconds(20);

TEST(ExitWatch, SaysEachEndOnce) {
  ExitWatch watch;
  const Child first;
  const Child second;
  auto first_ended = watched(watch, first);
  auto second_ended = watched(watch, second);
  second.end();
  EXPECT_EQ(second_ended.wait_for(kLong), std::future_status::ready);
  EXPECT_EQ(first_ended.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  first.end();
  EXPECT_EQ(first_ended.wait_for(kLong), std::future_status::ready);
}

// As a child is for a moment in every spawn: it has a copy of each descriptor of ours, the watched pidfds too.
TEST(ExitWatch, OutlivesAChildThatHoldsCopiesOfItsDescriptors) {
  ExitWatch watch;
  const Child first;
  auto first_ended = watched(watch, first);
  const Child holds_copies;
  first.end();
  EXPECT_EQ(first_ended.wait_for(kLong), std::future_status::ready);
  const Child next;
  auto next_ended = watched(watch, next);
  next.end();
  EXPECT_EQ(next_ended.wait_for(kLong), std::future_status::ready);
}

TEST(ExitWatch, WhatIsGoneAlreadyIsSaidAtOnce) {
  ExitWatch watch;
  auto said = std::make_shared<std::promise<void>>();
  watch.watch({0, 0}, [said] { said->set_value(); });
  EXPECT_EQ(said->get_future().wait_for(kLong), std::future_status::ready);
}

}  // namespace
}  // namespace qarax::agent
