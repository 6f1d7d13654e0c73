#include "qarax/core/cut.hpp"

#include <gtest/gtest.h>

#include "qarax/plugin/json.hpp"

namespace qarax::core {
namespace {

TEST(Cut, WhatFitsStaysAsItIs) {
  EXPECT_EQ(cut_text("short"), "short");
  const std::string full(kLongestText, 'x');
  EXPECT_EQ(cut_text(full), full);
  EXPECT_EQ(cut_log(full), full);
}

TEST(Cut, OfATextTheBeginStaysAndOfALogTheEnd) {
  const std::string text = "begin" + std::string(kLongestText, '.') + "end";
  EXPECT_TRUE(cut_text(text).starts_with("begin..") && cut_text(text).ends_with("..…"));
  EXPECT_TRUE(cut_log(text).ends_with("..end") && cut_log(text).starts_with("….."));
}

TEST(Cut, CharactersStayWhole) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string text(shift, 'x');
    while (text.size() <= kLongestText) text += "\xF0\x9F\x90\xA6";
    for (const std::string& cut : {cut_text(text), cut_log(text)}) {
      EXPECT_LE(cut.size(), kLongestText);
      EXPECT_EQ(json::repair_utf8(cut), cut) << shift;
    }
  }
}

}  // namespace
}  // namespace qarax::core
