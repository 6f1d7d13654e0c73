#include "launch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace qarax::agent {
namespace {

std::string what_is(int fd) {
  char text[64] = {};
  EXPECT_GT(::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text, sizeof text - 1), 0);
  return text;
}

// A copy whose number is the target of another descriptor would be overwritten before it is used.
TEST(Launch, EachDescriptorArrivesHoweverHighTheTargets) {
  int pipes[3][2];
  for (auto& one : pipes) ASSERT_EQ(::pipe2(one, O_CLOEXEC), 0);
  std::vector<core::Fd> owned;
  for (const auto& one : pipes)
    for (const int fd : one) owned.emplace_back(fd);
  for (const int first : {3, 63, 64, 200}) {
    Launch what;
    what.argv = {"/usr/bin/readlink", "/proc/self/fd/" + std::to_string(first),
                 "/proc/self/fd/" + std::to_string(first + 1)};
    what.fds = {{pipes[0][1], 1}, {pipes[1][0], first + 1}, {pipes[2][0], first}};
    const auto pid = launch(what);
    ASSERT_TRUE(pid) << pid.error().message;
    ASSERT_EQ(::waitpid(*pid, nullptr, 0), *pid);
    char said[256] = {};
    ASSERT_GT(::read(pipes[0][0], said, sizeof said - 1), 0);
    EXPECT_EQ(said, what_is(pipes[2][0]) + "\n" + what_is(pipes[1][0]) + "\n") << first;
  }
}

}  // namespace
}  // namespace qarax::agent
