#include "api_client.hpp"

#include <gtest/gtest.h>

#include "console_socket.hpp"
#include "problem.hpp"

namespace qarax::cli {
namespace {

TEST(Endpoint, TakesHttpAndHttpsWithAPrefix) {
  const auto plain = parse_endpoint("http://127.0.0.1:8000/");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 8000);
  EXPECT_EQ(plain->prefix, "");
  EXPECT_EQ(plain->url, "http://127.0.0.1:8000");
  const auto proxied = parse_endpoint("https://cloud.example/qarax/");
  ASSERT_TRUE(proxied);
  EXPECT_TRUE(proxied->tls);
  EXPECT_EQ(proxied->port, 443);
  EXPECT_EQ(proxied->prefix, "/qarax");
  EXPECT_EQ(parse_endpoint("http://[::1]:8000")->host, "::1");
}

TEST(Endpoint, EverythingElseIsWrongUsage) {
  for (const char* url : {"", "127.0.0.1:8000", "localhost", "ftp://h", "http://", "http://h:99999", "http://h:x",
                          "http://u:p@h", "http://h?x=1", "http://h#x", "/vms"}) {
    const auto endpoint = parse_endpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(exit_code(endpoint.error()), kWrongUsage) << url;
  }
}

TEST(TokenWay, AnOpenWayIsTakenOnThisMachineOnly) {
  for (const char* url : {"http://localhost:8000", "http://LOCALHOST", "http://127.0.0.1:8000", "http://127.8.9.10",
                          "http://[::1]:8000", "https://cloud.example", "https://10.0.0.7:8000/qarax"})
    EXPECT_TRUE(check_token_way(*parse_endpoint(url), "secret")) << url;
  for (const char* url : {"http://cloud.example", "http://10.0.0.7:8000", "http://[fe80::1]", "http://0.0.0.0:8000",
                          "http://127.0.0.1.cloud.example", "http://localhost.cloud.example"}) {
    EXPECT_TRUE(check_token_way(*parse_endpoint(url), "")) << url;
    const auto refused = check_token_way(*parse_endpoint(url), "secret");
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(exit_code(refused.error()), kWrongUsage);
    EXPECT_NE(refused.error().message.find("https://"), std::string::npos);
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
  }
}

// The token is refused before any network access: this address would time out, but the error comes at once.
TEST(TokenWay, EveryWayOutIsGuarded) {
  ApiClient api(*parse_endpoint("http://192.0.2.1:8000"), "secret", "", std::chrono::milliseconds(20'000));
  const auto called = api.call({.path = "/vms"});
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().reason, kUsage);
  const auto followed = api.follow("/events", {}, [](std::string_view) { return true; });
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().reason, kUsage);
  const auto attached = ConsoleSocket::open(api, "/vms/x/console/attach");
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().reason, kUsage);
}

TEST(Endpoint, NamesCannotLeaveTheirPlaceInAUrl) {
  EXPECT_EQ(percent_encoded("web-1.a_b"), "web-1.a_b");
  EXPECT_EQ(percent_encoded("a/../b?c&d=e#f%20 \n"), "a%2F..%2Fb%3Fc%26d%3De%23f%2520%20%0A");
}

TEST(IsUuid, IsStrict) {
  EXPECT_TRUE(is_uuid("6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55"));
  EXPECT_TRUE(is_uuid("6F1C2A9E-3B57-4A0E-9D0C-0F6F2F3B1A55"));
  EXPECT_FALSE(is_uuid("6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a5"));
  EXPECT_FALSE(is_uuid("6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a5g"));
  EXPECT_FALSE(is_uuid("6f1c2a9e/3b57-4a0e-9d0c-0f6f2f3b1a55"));
}

}  // namespace
}  // namespace qarax::cli
