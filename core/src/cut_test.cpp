#include "qarax/core/cut.hpp"

#include <gtest/gtest.h>

#include "qarax/plugin/call_args.hpp"
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

TEST(Cut, AnErrorFitsWithWhatHelpsMost) {
  Error error = make_error(Code::internal, "the VMM is gone", "vmm-failed");
  error.hint = "look";
  error.details = {{"/a", "wrong"}};
  error.log_tail = "first" + std::string(4000, '\x01') + "last";  // JSON spells the control characters with six bytes
  error.causes = {std::string(2000, 'c')};
  Error cut_error = error;
  cut_to_fit(cut_error, kLongestText);
  EXPECT_LE(encode(cut_error).size(), kLongestText);
  EXPECT_TRUE(cut_error.log_tail.ends_with("last")) << cut_error.log_tail;
  EXPECT_EQ(cut_error.message, error.message);
  EXPECT_EQ(cut_error.hint, error.hint);
  ASSERT_EQ(cut_error.details.size(), 1u);
  EXPECT_EQ(cut_error.causes, error.causes) << "the log alone is long enough to cut";

  error.message = error.hint = error.reason = error.step = std::string(4000, '"');
  error.details.assign(65, {"/a", std::string(4000, 'd')});
  cut_to_fit(error, 2048);
  EXPECT_LE(encode(error).size(), 2048u);
  EXPECT_FALSE(error.message.empty());

  Error small = make_error(Code::aborted, "no", "why");
  cut_to_fit(small, kLongestText);
  EXPECT_EQ(small.message, "no");
}

}  // namespace
}  // namespace qarax::core
