#include "qarax/core/addresses.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

TEST(Addresses, LoopbackIsThisMachine) {
  for (const char* here : {"127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"})
    EXPECT_TRUE(is_loopback(here)) << here;
  for (const char* elsewhere :
       {"", "0.0.0.0", "10.0.0.7", "128.0.0.1", "127.0.0.1.example.org", "127.1", "::", "localhost.example.org", "h1"})
    EXPECT_FALSE(is_loopback(elsewhere)) << elsewhere;
}

TEST(Addresses, OneAddressHasOneSpelling) {
  EXPECT_EQ(bare_address("[2001:db8::1]"), "2001:db8::1");
  for (const char* as_it_is : {"2001:db8::1", "10.0.0.7", "h1", "", "[", "[]", "[::1"})
    EXPECT_EQ(bare_address(as_it_is), as_it_is);
}

TEST(Addresses, AnIpv6AddressGetsItsBracketsBeforeAPort) {
  EXPECT_EQ(host_port("::1", 1), "[::1]:1");
  EXPECT_EQ(host_port("[::1]", 1), "[::1]:1");
  EXPECT_EQ(host_port("10.0.0.7", 50051), "10.0.0.7:50051");
}

}  // namespace
}  // namespace qarax::core
