#include "output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>

#include "problem.hpp"

namespace qarax::cli {
namespace {

TEST(Output, WhatIsWrittenArrivesWhole) {
  int pipe[2] = {-1, -1};
  ASSERT_EQ(::pipe(pipe), 0);
  OutputBuffer buffer(pipe[1]);
  std::ostream out(&buffer);
  std::string said = "first\n";
  out << said << std::flush;
  for (int i = 0; i < 5000; ++i) {  // more than the buffer has room for, less than the pipe has
    const std::string number = std::to_string(i) + "\n";
    out << number;
    said += number;
  }
  out << std::flush;
  ::close(pipe[1]);
  EXPECT_TRUE(out);
  EXPECT_EQ(buffer.failure(), 0);
  std::string got(said.size() + 1, '\0');
  std::size_t size = 0;
  for (ssize_t n = 0; (n = ::read(pipe[0], got.data() + size, got.size() - size)) > 0;)
    size += static_cast<std::size_t>(n);
  ::close(pipe[0]);
  got.resize(size);
  EXPECT_EQ(got, said);
}

TEST(Output, AWriteThatFailsIsKnownWithItsReason) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  OutputBuffer buffer(full);
  std::ostream out(&buffer);
  out << "words";
  EXPECT_TRUE(out) << "they are still in the buffer";
  out << std::flush;
  EXPECT_FALSE(out);
  EXPECT_EQ(buffer.failure(), ENOSPC);
  out.clear();
  out << std::string(100'000, 'x');
  EXPECT_FALSE(out) << "what follows a gap isn't written";
  ::close(full);
  const Error error = output_lost(buffer.failure());
  EXPECT_EQ(exit_code(error), kRefused);
  EXPECT_NE(error.message.find("No space left on device"), std::string::npos) << error.message;
}

}  // namespace
}  // namespace qarax::cli
