#include "answer_watch.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace qarax::server {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    here.reset(ends[0]);
    there.reset(ends[1]);
  }
  core::Fd here;
  core::Fd there;
};

// Blocks until the other end is closed (true) or sends something.
bool ends(const core::Fd& fd) {
  char byte = 0;
  return ::read(fd.get(), &byte, 1) == 0;
}

TEST(AnswerWatch, WhoWaitsInVainHearsOfABrokenConnection) {
  const Pair pair;
  AnswerWatch watch(milliseconds(20), milliseconds(5));
  watch.follow(pair.here.get());
  EXPECT_FALSE(watch.has_cut());
  watch.asked();
  EXPECT_TRUE(ends(pair.here));
  EXPECT_TRUE(watch.has_cut());
  const Pair next;
  watch.rest();
  watch.follow(next.here.get());
  EXPECT_FALSE(watch.has_cut()) << "of another connection";
  watch.asked();
  EXPECT_TRUE(ends(next.here));
}

TEST(AnswerWatch, EachQuestionHasItsTimeAndWhoAsksNothingHasAll) {
  const Pair silent;
  const Pair busy;
  const Pair idle;
  AnswerWatch in_vain(milliseconds(1000), milliseconds(10));
  AnswerWatch answered(milliseconds(1000), milliseconds(10));
  AnswerWatch resting(milliseconds(1000), milliseconds(10));
  in_vain.follow(silent.here.get());
  answered.follow(busy.here.get());
  resting.follow(idle.here.get());
  resting.asked();
  resting.rest();
  in_vain.asked();
  while (!in_vain.has_cut()) answered.asked();
  EXPECT_FALSE(answered.has_cut());
  EXPECT_FALSE(resting.has_cut());
}

TEST(AnswerWatch, AClosedConnectionIsClosed) {
  Pair pair;
  AnswerWatch watch(milliseconds(1000));
  watch.follow(pair.here.get());
  watch.leave();
  pair.here.reset();
  EXPECT_TRUE(ends(pair.there));
}

}  // namespace
}  // namespace qarax::server
