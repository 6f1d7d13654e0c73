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

TEST(Cut, ALongMessageLeavesRoomForWhatElseHelps) {
  Error error = make_error(Code::internal, "begin" + std::string(4000, 'm'), "vmm-failed");
  error.hint = "look";
  error.details = {{"/a", "wrong"}};
  error.log_tail = std::string(1000, 'l') + "last";
  error.causes = {"why"};
  Error cut_error = error;
  cut_to_fit(cut_error, kLongestText);
  EXPECT_LE(encode(cut_error).size(), kLongestText);
  EXPECT_TRUE(cut_error.message.starts_with("beginmmm")) << cut_error.message;
  EXPECT_EQ(cut_error.log_tail, error.log_tail);
  EXPECT_EQ(cut_error.causes, error.causes);
  EXPECT_EQ(cut_error.details.size(), 1u);
  EXPECT_EQ(cut_error.hint, error.hint);
}

TEST(Cut, ListsOfAPluginAreCutToo) {
  Description description;
  description.features.assign(1000, "pause");
  description.features.front() = std::string(5000, 'f');
  description.boot_modes.assign(65, "kernel");
  cut(description);
  EXPECT_EQ(description.features.size(), kMostWords);
  EXPECT_EQ(description.features.front().size(), kLongestWord);
  EXPECT_EQ(description.boot_modes.size(), kMostWords);
  VmStatus status;
  status.can.assign(65, std::string(5000, 'c'));
  cut(status);
  EXPECT_EQ(status.can.size(), kMostWords);
  EXPECT_EQ(status.can.back().size(), kLongestWord);
}

TEST(Cut, AnEndAtNoTimeHasNone) {
  const auto at = [](const std::string& said) {
    VmStatus status;
    status.exit.emplace().at = said;
    cut(status);
    return status.exit->at.value_or("none");
  };
  for (const char* time : {"2026-11-23T13:45:00.123Z", "2026-11-23T13:45:00Z", "2024-02-29T23:59:59Z",
                           "2026-11-23T13:45:00.1+05:30", "2026-11-23T13:45:00-00:00"})
    EXPECT_EQ(at(time), time);
  for (const char* none :
       {"", "yesterday", "2026-11-23", "2026-11-23T13:45:00", "2026-11-23 13:45:00Z", "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T13:60:00Z", "2026-11-23T13:45:60Z",
        "2026-11-23t13:45:00z", "0000-01-01T00:00:00Z", "2026-11-23T13:45:00.Z", "2026-11-23T13:45:00+0530",
        "2026-11-23T13:45:00+24:00", "2026-11-23T13:45:00Z ", "+026-11-23T13:45:00Z"})
    EXPECT_EQ(at(none), "none") << none;
  EXPECT_EQ(at("2026-11-23T13:45:00." + std::string(5000, '1') + "Z"), "none");
}

}  // namespace
}  // namespace qarax::core
