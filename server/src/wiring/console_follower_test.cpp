#include "wiring/console_follower.hpp"

#include <gtest/gtest.h>

#include <new>

namespace qarax::server {
namespace {

constexpr std::chrono::seconds kPatience{10};

TEST(ConsoleFollower, GivesThePiecesAndThenTheEnd) {
  ConsoleFollower follower([](const ConsoleFollower::Sink& sink, const auto&) -> Status {
    EXPECT_TRUE(sink("one "));
    EXPECT_TRUE(sink("two"));
    return Ok{};
  });
  std::string text;
  while (true) {
    auto piece = follower.next(kPatience);
    ASSERT_TRUE(piece);
    if (!*piece) break;
    text += **piece;
  }
  EXPECT_EQ(text, "one two");
}

TEST(ConsoleFollower, GivesTheErrorAfterWhatCameBefore) {
  ConsoleFollower follower([](const ConsoleFollower::Sink& sink, const auto&) -> Status {
    sink("last words");
    return make_error(Code::unavailable, "the node is gone", "node-unreachable");
  });
  auto first = follower.next(kPatience);
  ASSERT_TRUE(first);
  EXPECT_EQ(**first, "last words");
  auto second = follower.next(kPatience);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "node-unreachable");
}

TEST(ConsoleFollower, ASourceThatThrowsIsAnError) {
  ConsoleFollower follower([](const ConsoleFollower::Sink&, const auto&) -> Status { throw std::bad_alloc(); });
  EXPECT_FALSE(follower.next(kPatience));
}

TEST(ConsoleFollower, AQuietLogIsAnEmptyPiece) {
  std::mutex mutex;
  std::condition_variable changed;
  bool go = false;
  ConsoleFollower follower([&](const ConsoleFollower::Sink&, const auto&) -> Status {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return go; });
    return Ok{};
  });
  auto piece = follower.next(std::chrono::milliseconds(1));
  ASSERT_TRUE(piece);
  ASSERT_TRUE(*piece);
  EXPECT_TRUE((*piece)->empty());
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
}

TEST(ConsoleFollower, ASourceWhoseClientIsGoneIsToldSo) {
  bool refused = false;
  {
    ConsoleFollower follower([&](const ConsoleFollower::Sink& sink, const auto&) -> Status {
      // More than the follower buffers: the sink waits for a reader that never comes.
      while (sink(std::string(64 * 1024, 'x'))) {
      }
      refused = true;
      return Ok{};
    });
    ASSERT_TRUE(follower.next(kPatience));
  }
  EXPECT_TRUE(refused);
}

TEST(ConsoleFollower, ASourceThatHasNothingToSayIsToldOfTheEndToo) {
  bool told = false;
  {
    ConsoleFollower follower([&](const ConsoleFollower::Sink&, const std::stop_token& stop) -> Status {
      std::mutex mutex;
      std::condition_variable_any quiet;
      std::unique_lock lock(mutex);
      quiet.wait(lock, stop, [] { return false; });
      told = stop.stop_requested();
      return Ok{};
    });
  }
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace qarax::server
