#include "qarax/plugin/process_stat.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

namespace qarax::plugin {
namespace {

TEST(ProcessStat, FieldsAreCountedBehindTheName) {
  const std::string_view stat = "12 (a) b (c)) S 7 12 12 0 -1 4194560 18446744073709551615\n";
  EXPECT_EQ(process_stat_field(stat, 3), "S");
  EXPECT_EQ(process_stat_number(stat, 4), 7);
  EXPECT_EQ(process_stat_number(stat, 8), -1);
  EXPECT_EQ(process_stat_field(stat, 10), "18446744073709551615");
}

TEST(ProcessStat, WhatIsNotThereIsNone) {
  const std::string_view stat = "12 (a) S 7 18446744073709551615\n";
  EXPECT_EQ(process_stat_field(stat, 6), "");
  EXPECT_FALSE(process_stat_number(stat, 6));
  EXPECT_FALSE(process_stat_number(stat, 5)) << "it doesn't fit";
  EXPECT_FALSE(process_stat_number(stat, 3)) << "it is a letter";
  EXPECT_EQ(process_stat_field(stat, 1), "") << "before the name nothing is counted";
  for (const char* other : {"", "12 (a", "12 (a)", "12 (a) "}) EXPECT_EQ(process_stat_field(other, 3), "") << other;
}

TEST(ProcessStat, OfThisProcess) {
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(process_stat_number(stat, 4), ::getppid());
  EXPECT_GT(process_stat_number(stat, 22).value_or(0), 0);
  EXPECT_TRUE(process_stat_number(stat, 52)) << "the last one, before a line's end";
}

}  // namespace
}  // namespace qarax::plugin
