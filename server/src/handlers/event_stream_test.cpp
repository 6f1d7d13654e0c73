#include "handlers/event_stream.hpp"

#include <gtest/gtest.h>

#include "handlers/event_handlers.hpp"
#include "handlers/fake_operations.hpp"
#include "http/router.hpp"
#include "http/target.hpp"
#include "http/testing/string_sink.hpp"

namespace qarax::server {
namespace {

class EventStreamTest : public ::testing::Test {
 protected:
  EventStreamTest() { add_event_routes(router, *store); }

  std::string vm(const std::string& name) {
    return store->create_vm({name, std::nullopt, "", std::nullopt, {}}).value()->id;
  }
  http::Response call(const std::string& target, const std::string& last_event_id = "") {
    http::Request request;
    request.method = "GET";
    EXPECT_FALSE(http::parse_target(replaced(target, "after=1-", "after=" + epoch() + "-"), request)) << target;
    if (!last_event_id.empty())
      request.headers.set("Last-Event-ID",
                          last_event_id.starts_with("1-") ? epoch() + last_event_id.substr(1) : last_event_id);
    return router.find(request).route->handler(request);
  }
  // Everything that a reader gets until it has caught up.
  std::string read(const http::Response& response) {
    http::testing::StringSink sink;
    if (response.stream) response.stream(sink);
    // One pull gives some kilobytes; an empty one means that the reader has everything.
    for (std::string more; response.live; more.clear()) {
      response.live->pull(more);
      if (more.empty()) break;
      sink.text += more;
    }
    return plain(sink.text);
  }
  // Replaces the epoch by 1, which these tests expect.
  std::string plain(const std::string& text) { return replaced(text, epoch() + "-", "1-"); }
  std::string epoch() { return std::to_string(store->events().last().epoch); }
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
      text.replace(at, what.size(), by);
    return text;
  }
  static std::vector<std::string> ids(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t at = 0; (at = text.find("id: ", at)) != std::string::npos; ++at)
      if (text.substr(text.find('\n', at) + 1).starts_with("event: "))
        out.push_back(text.substr(at + 4, text.find('\n', at) - at - 4));
    return out;
  }
  using List = std::vector<std::string>;

  testing::TempStore store;
  http::Router router;
};

TEST_F(EventStreamTest, BeginsWithNowAndGoesOn) {
  vm("before");
  const auto response = call("/events");
  ASSERT_TRUE(response.live);
  EXPECT_FALSE(response.stream);
  EXPECT_EQ(response.content_type, "text/event-stream");
  EXPECT_EQ(read(response), "retry: 1000\nid: 1-1\n\n");
  EXPECT_EQ(read(response), "");
  const std::string id = vm("web");
  const std::string text = read(response);
  EXPECT_TRUE(text.starts_with("id: 1-2\nevent: vm.created\ndata: {")) << text;
  EXPECT_NE(text.find("\"vm_id\":\"" + id + "\""), std::string::npos);
  EXPECT_TRUE(text.ends_with("}\n\n"));
}

TEST_F(EventStreamTest, ResumesAfterWhatWasSeen) {
  for (int i = 0; i < 5; ++i) vm("vm" + std::to_string(i));
  EXPECT_EQ(ids(read(call("/events", "1-2"))), (List{"1-3", "1-4", "1-5"}));
  EXPECT_EQ(ids(read(call("/events?after=1-4", "1-2"))), List{"1-5"});
  EXPECT_EQ(ids(read(call("/events?after=oldest"))).size(), 5u);
  EXPECT_EQ(call("/events?after=tuesday").status, 400);
}

TEST_F(EventStreamTest, TheDatabasesPastIsReadOnAThreadAndThePresentFollows) {
  // More events than are kept in memory.
  for (int i = 0; i < 4'200; ++i) vm("vm" + std::to_string(i));
  const auto response = call("/events", "1-0");
  ASSERT_TRUE(response.stream);
  const auto all = ids(read(response));
  ASSERT_EQ(all.size(), 4'200u);
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], "1-" + std::to_string(i + 1));
}

TEST_F(EventStreamTest, WhatIsGoneIsAGapAndWhereItEndsIsSaid) {
  for (int i = 0; i < 10; ++i) vm("vm" + std::to_string(i));
  Retention few;
  few.events = 3;
  ASSERT_TRUE(store->prune(few));
  const std::string text = read(call("/events?follow=false", "1-2"));
  EXPECT_EQ(ids(text), (List{"1-7", "1-8", "1-9", "1-10"}));
  EXPECT_NE(text.find("event: gap\ndata: {\"reason\":\"retention\",\"after\":\"1-2\",\"resumes_after\":\"1-7\""),
            std::string::npos)
      << text;
}

TEST_F(EventStreamTest, AnotherEpochAndTheFutureAreGapsToo) {
  vm("web");
  for (const char* from : {"7-1", "1-99"}) {
    const std::string text = read(call("/events", from));
    EXPECT_NE(text.find("event: gap\ndata: {\"reason\":\"epoch\",\"after\":\"" + std::string(from) + "\""),
              std::string::npos)
        << text;
    EXPECT_EQ(ids(text).back(), "1-1") << "followed by all there is";
  }
}

TEST_F(EventStreamTest, WithoutFollowItEnds) {
  vm("web");
  vm("db");
  const auto response = call("/events?follow=false");
  EXPECT_FALSE(response.live);
  EXPECT_EQ(ids(read(response)).size(), 2u);
}

TEST_F(EventStreamTest, FiltersTakeAndHeartbeatsTellWhatHasPassed) {
  const std::string web = vm("web");
  const auto one = call("/events?after=oldest&vm_id=" + web + "&type=vm.created,vm.deleted");
  vm("db");
  EXPECT_EQ(ids(read(one)), List{"1-1"});
  std::string beat;
  one.live->heartbeat(beat);
  EXPECT_EQ(plain(beat), ": heartbeat\nid: 1-2\n\n");
  beat.clear();
  one.live->heartbeat(beat);
  EXPECT_EQ(beat, ": heartbeat\n\n");
  EXPECT_EQ(ids(read(call("/events?after=oldest&status=running"))), List{});
  EXPECT_EQ(ids(read(call("/events?after=oldest&status=running,created"))).size(), 2u);
  EXPECT_EQ(ids(read(call("/events?after=oldest&type=host.added"))), List{});
  EXPECT_EQ(ids(read(call("/events?after=oldest&tag=web"))), List{});
  EXPECT_EQ(call("/events?vm_id=web").status, 400);
}

TEST_F(EventStreamTest, AReaderThatMemoryHasLeftBehindIsToldSo) {
  const auto slow = call("/events");
  EXPECT_NE(read(slow), "");
  for (int i = 0; i < 4'200; ++i) vm("vm" + std::to_string(i));
  std::string out;
  EXPECT_FALSE(slow.live->pull(out));
  EXPECT_NE(plain(out).find("id: 1-0\nevent: end\ndata: {\"reason\":\"slow-reader\""), std::string::npos) << out;
}

TEST(EventFilter, TagsAreAllAsked) {
  Event event;
  event.tags = {"web", "prod"};
  EventFilter filter;
  filter.tags = {"web"};
  EXPECT_TRUE(filter.takes(event));
  filter.tags = {"web", "test"};
  EXPECT_FALSE(filter.takes(event));
}

}  // namespace
}  // namespace qarax::server
