#include "wiring/whole_log.hpp"

#include <gtest/gtest.h>

#include "handlers/console_reply.hpp"

namespace qarax::server {
namespace {

using Sink = std::function<bool(std::string_view)>;

ReadLog log_of(std::size_t pieces, std::size_t bytes) {
  return [=](const Sink& sink) {
    for (std::size_t i = 0; i < pieces; ++i)
      if (!sink(std::string(bytes, 'x'))) break;
    return Status(Ok{});
  };
}

TEST(WholeLog, WhatRepliesHoldTogetherIsBoundedUntilTheyAreSent) {
  ReplyRoom room(1000);
  auto first = read_whole_log(room, log_of(6, 100));
  ASSERT_TRUE(first);
  EXPECT_EQ(room.held(), 600);
  const auto refused = read_whole_log(room, log_of(5, 100));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "overloaded");
  EXPECT_EQ(room.held(), 600) << "what was refused holds nothing";
  EXPECT_TRUE(read_whole_log(room, log_of(4, 100)));
  const auto text = (*first)->next({});
  ASSERT_TRUE(text);
  EXPECT_EQ((*text)->size(), 600u);
  EXPECT_EQ(*(*first)->next({}), std::nullopt);
  EXPECT_EQ(room.held(), 600) << "it is still to be sent";
  first->reset();
  EXPECT_EQ(room.held(), 0);
}

TEST(WholeLog, OneThatIsAloneIsSentHoweverLongItIs) {
  ReplyRoom room(1000);
  EXPECT_TRUE(read_whole_log(room, log_of(20, 100)));
  EXPECT_EQ(room.held(), 0);
}

TEST(WholeLog, ALogThatCantBeReadHoldsNothing) {
  ReplyRoom room(1000);
  const auto lost = read_whole_log(room, [](const Sink& sink) -> Status {
    sink("half of it");
    return make_error(Code::unavailable, "the node is gone", "node-unreachable");
  });
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, "node-unreachable");
  EXPECT_EQ(room.held(), 0);
}

TEST(WholeLog, AReplyHoldsItsRoom) {
  ReplyRoom room(1000);
  {
    const Answer reply = console_text(std::move(*read_whole_log(room, log_of(3, 100))));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->body.size(), 300u);
    EXPECT_EQ(room.held(), 300);
  }
  EXPECT_EQ(room.held(), 0);
}

}  // namespace
}  // namespace qarax::server
