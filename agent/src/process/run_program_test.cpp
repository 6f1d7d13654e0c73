#include "run_program.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "qarax/core/files.hpp"

namespace qarax::agent {
namespace {

RunArgs program(std::vector<std::string> argv) {
  RunArgs args;
  args.argv = std::move(argv);
  args.env = {{"PATH", "/usr/bin:/bin"}};
  return args;
}
constexpr CallLimits kNone{};

TEST(RunProgram, GivesOutputAndExit) {
  const auto said = run_program(program({"/bin/echo", "a b", "$c"}), kNone);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_EQ(said->output, "a b $c\n") << "no shell is between";
  EXPECT_EQ(said->exit.kind, ExitKind::exited);
  EXPECT_EQ(said->exit.code, 0);
  EXPECT_FALSE(said->timed_out);
  EXPECT_EQ(run_program(program({"/bin/false"}), kNone)->exit.code, 1);
}

TEST(RunProgram, HasExactlyTheEnvironmentThatWasNamed) {
  auto args = program({"/usr/bin/env"});
  args.env = {{"ONE", "1"}};
  EXPECT_EQ(run_program(args, kNone)->output, "ONE=1\n");
}

TEST(RunProgram, KeepsNoMoreThanIsAskedForAndLetsItFinish) {
  auto args = program({"/usr/bin/seq", "100000"});
  args.max_output = 10;
  const auto said = run_program(args, kNone);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->output, "1\n2\n3\n4\n5\n");
  EXPECT_EQ(said->exit.code, 0);
}

TEST(RunProgram, EndsAtTheWordsThatAreWaitedFor) {
  auto args = program({"/usr/bin/yes", "hello"});
  args.until = "hello\nhello";
  const auto said = run_program(args, kNone);
  ASSERT_TRUE(said);
  EXPECT_TRUE(said->matched);
  EXPECT_EQ(said->exit.kind, ExitKind::signaled);
  EXPECT_FALSE(said->timed_out);
}

TEST(RunProgram, TheWordsAreSeenBehindWhatIsKept) {
  auto args = program({"/bin/sh", "-c", "seq 10000; printf 'rea'; printf 'dy'; sleep 1000"});
  args.max_output = 10;
  args.until = "10000\nready";
  const auto said = run_program(args, CallLimits{}.within_ms(60'000));
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_TRUE(said->matched);
  EXPECT_FALSE(said->timed_out);
  EXPECT_EQ(said->output, "1\n2\n3\n4\n5\n");
}

TEST(RunProgram, IsKilledAtTheDeadlineWithWhatItStarted) {
  int left = 0;
  // Doubles the time until the program gets far enough to start its child.
  for (std::int64_t ms = 300; left == 0; ms *= 2) {
    const auto said = run_program(program({"/bin/sh", "-c", "sleep 1000 & echo $!; wait"}), CallLimits{}.within_ms(ms));
    ASSERT_TRUE(said) << said.error().message;
    EXPECT_TRUE(said->timed_out);
    left = std::atoi(said->output.c_str());
  }
  // The child was killed, but may not have been reaped yet.
  const auto runs = [&] {
    const auto stat = core::read_file("/proc/" + std::to_string(left) + "/stat");
    return stat && stat->find(") Z ") == std::string::npos;
  };
  while (runs()) std::this_thread::yield();  // CTest limits the time
}

TEST(RunProgram, ACancelEndsIt) {
  const core::Fd cancel(::eventfd(1, EFD_CLOEXEC));
  EXPECT_EQ(run_program(program({"/bin/sleep", "1000"}), {0, cancel.get()}).error().code, Code::cancelled);
}

TEST(RunProgram, WhatCantBeStartedIsNamed) {
  EXPECT_EQ(run_program(program({"sleep"}), kNone).error().code, Code::invalid_argument);
  EXPECT_EQ(run_program(program({}), kNone).error().code, Code::invalid_argument);
  const auto missing = run_program(program({"/nonexistent/program"}), kNone);
  // With setpriv the error comes from setpriv, as its exit and output.
  if (missing)
    EXPECT_NE(missing->output.find("/nonexistent/program"), std::string::npos);
  else
    EXPECT_EQ(missing.error().code, Code::not_found);
}

}  // namespace
}  // namespace qarax::agent
