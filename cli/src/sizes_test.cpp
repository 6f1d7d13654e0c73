#include "sizes.hpp"

#include <gtest/gtest.h>

#include <tuple>

namespace qarax::cli {
namespace {

TEST(ParseSize, TakesUnitsOf1024) {
  EXPECT_EQ(*parse_size("512M"), 512LL << 20);
  EXPECT_EQ(*parse_size("2G"), 2LL << 30);
  EXPECT_EQ(*parse_size("2g"), 2LL << 30);
  EXPECT_EQ(*parse_size("1T"), 1LL << 40);
  EXPECT_EQ(*parse_size("64K"), 65536);
  EXPECT_EQ(*parse_size("512MiB"), 512LL << 20);
  EXPECT_EQ(*parse_size("134217728"), 134217728);
}

TEST(ParseSize, RefusesWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {{"", "digit"},
                                                       {"M", "digit"},
                                                       {"-1M", "digit"},
                                                       {"+1M", "digit"},
                                                       {" 1M", "digit"},
                                                       {"0", "zero"},
                                                       {"0G", "zero"},
                                                       {"1.5G", "1536M"},
                                                       {"512MB", "1000 to some"},
                                                       {"12Q", "isn't known"},
                                                       {"1MM", "known"},
                                                       {"9000000T", "large"},
                                                       {"99999999999999999999", "large"}};
  for (const auto& [text, reason] : cases) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_NE(size.error().message.find(reason), std::string::npos) << size.error().message;
    EXPECT_NE(size.error().message.find("512M"), std::string::npos) << "it says what would do";
  }
}

TEST(ParseHostAddress, TakesNamesAndBothFamilies) {
  const std::tuple<const char*, const char*, std::int64_t> cases[] = {{"10.0.0.7", "10.0.0.7", 50051},
                                                                      {"node.example:7000", "node.example", 7000},
                                                                      {"fd00::7", "fd00::7", 50051},
                                                                      {"[fd00::7]", "fd00::7", 50051},
                                                                      {"[fd00::7]:7000", "fd00::7", 7000}};
  for (const auto& [text, address, port] : cases) {
    const auto parsed = parse_host_address(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->address, address);
    EXPECT_EQ(parsed->port, port);
  }
  for (const char* text : {"", ":7000", "h:", "h:0", "h:65536", "h:-1", "h:7x", "[fd00::7", "[]:1", "[fd00::7]7000"})
    EXPECT_FALSE(parse_host_address(text)) << text;
}

TEST(FormatSize, IsExactWhereThatIsShort) {
  EXPECT_EQ(format_size(512LL << 20), "512M");
  EXPECT_EQ(format_size(1536LL << 20), "1536M");
  EXPECT_EQ(format_size(2LL << 30), "2G");
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1000), "1000");
  EXPECT_EQ(format_size(67'305'984'000), "62.7G");
  EXPECT_EQ(format_size(1'000'000), "976.6K");
}

TEST(FormatSize, WhatIsExactReadsBack) {
  for (const std::int64_t bytes : {1LL << 20, 128LL << 20, 3LL << 30, 5LL << 40})
    EXPECT_EQ(*parse_size(format_size(bytes)), bytes);
}

}  // namespace
}  // namespace qarax::cli
