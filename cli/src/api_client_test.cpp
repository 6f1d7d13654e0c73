#include "api_client.hpp"

#include <gtest/gtest.h>

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
