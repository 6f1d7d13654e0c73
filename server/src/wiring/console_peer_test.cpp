#include "wiring/console_peer.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

class Line final : public ConsoleLine {
 public:
  explicit Line(std::optional<Status> end) : end_(std::move(end)) {}
  void on_change(std::function<void()>) override {}
  void take(std::string&) override {}
  std::optional<Status> ended() override { return end_; }
  bool has_room() const override { return true; }
  void give(std::string_view) override {}
  std::size_t unsent() const override { return 7; }
  void end_input() override {}

 private:
  const std::optional<Status> end_;
};

TEST(ConsolePlace, ThereAreSoManyAndALeftOneIsFree) {
  std::atomic<std::int64_t> taken{0};
  auto first = ConsolePlace::take(taken, 2);
  ASSERT_TRUE(first);
  {
    const auto second = ConsolePlace::take(taken, 2);
    ASSERT_TRUE(second);
    const auto third = ConsolePlace::take(taken, 2);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().reason, "quota-exceeded");
    EXPECT_NE(third.error().message.find("limits.console_attachments"), std::string::npos);
    EXPECT_NE(third.error().message.find("all 2"), std::string::npos);
  }
  EXPECT_EQ(taken, 1);
  {
    const ConsolePeer peer(std::make_unique<Line>(std::nullopt), std::move(*first));
    EXPECT_EQ(taken, 1) << "moved, not copied";
  }
  EXPECT_EQ(taken, 0);
}

std::optional<http::SocketClose> end_of(std::optional<Status> end) {
  std::atomic<std::int64_t> taken{0};
  auto place = ConsolePlace::take(taken, 1);
  ConsolePeer peer(std::make_unique<Line>(std::move(end)), std::move(*place));
  return peer.ended();
}

TEST(ConsolePeer, WhatTheLineHasNotSentIsTold) {
  std::atomic<std::int64_t> taken{0};
  auto place = ConsolePlace::take(taken, 1);
  const ConsolePeer peer(std::make_unique<Line>(std::nullopt), std::move(*place));
  EXPECT_EQ(peer.unsent(), 7u);
}

TEST(ConsolePeer, TheGuestsEndIsNoFailureAndTheNodesIs) {
  EXPECT_FALSE(end_of(std::nullopt));
  EXPECT_EQ(end_of(Status(Ok{}))->code, 1000);
  const auto lost = end_of(Status(make_error(Code::unavailable, "Socket closed")));
  EXPECT_EQ(lost->code, 1011);
  EXPECT_EQ(lost->reason, "the VM's node was lost: Socket closed");
  EXPECT_EQ(end_of(Status(make_error(Code::cancelled, "CANCELLED")))->reason, "the VM's node was lost");
}

}  // namespace
}  // namespace qarax::server
