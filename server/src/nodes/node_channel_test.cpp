#include "node_channel.hpp"

#include <gtest/gtest.h>

namespace qarax::server {
namespace {

TEST(NodeChannel, ATokenIsntSentWhereOthersCanReadIt) {
  const NodeCredentials token{"secret", "", false};
  for (const char* elsewhere : {"10.0.0.7", "h1", "2001:db8::1"}) {
    const auto refused = node_channel(elsewhere, 50051, token);
    ASSERT_FALSE(refused) << elsewhere;
    EXPECT_EQ(refused.error().code, Code::failed_precondition);
    const std::string& message = refused.error().message;
    EXPECT_NE(message.find(elsewhere), std::string::npos) << message;
    EXPECT_NE(message.find("set node.ca"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
  for (const char* here : {"127.0.0.1", "::1", "localhost"}) EXPECT_TRUE(node_channel(here, 50051, token)) << here;
}

TEST(NodeChannel, WithoutATokenOrWithTlsOrWhereItIsMeantThereIsOne) {
  EXPECT_TRUE(node_channel("10.0.0.7", 50051, {}));
  EXPECT_TRUE(node_channel("10.0.0.7", 50051, {"secret", "-----BEGIN CERTIFICATE-----", false}));
  EXPECT_TRUE(node_channel("10.0.0.7", 50051, {"secret", "", true}));
}

TEST(NodeChannel, OnlyAConnectionThatTlsPreventsGetsAdvice) {
  const std::string refused = "failed to connect to all addresses; last error: UNKNOWN: Connection refused";
  EXPECT_EQ(with_advice(refused, "h1", {}), refused);
  EXPECT_EQ(with_advice(refused, "h1", {"", "ca", false}), refused);
  EXPECT_EQ(with_advice("Socket closed", "h1", {}), "Socket closed") << "an agent that ended in the middle of a call";
  const auto advice =
      with_advice("failed to connect to all addresses; last error: UNAVAILABLE: Socket closed", "h1", {});
  EXPECT_NE(advice.find("set node.ca"), std::string::npos) << advice;
}

}  // namespace
}  // namespace qarax::server
