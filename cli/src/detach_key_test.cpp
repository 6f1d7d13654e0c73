#include "detach_key.hpp"

#include <gtest/gtest.h>

namespace qarax::cli {
namespace {

TEST(DetachKey, IsAKeyWithCtrl) {
  EXPECT_EQ(*parse_detach_key("^]"), '\x1d');
  EXPECT_EQ(*parse_detach_key("^a"), '\x01');
  EXPECT_EQ(*parse_detach_key("^A"), '\x01');
  EXPECT_EQ(*parse_detach_key("ctrl-x"), '\x18');
  EXPECT_EQ(*parse_detach_key("Ctrl-\\"), '\x1c');
  EXPECT_EQ(*parse_detach_key("^^"), '\x1e');
  EXPECT_EQ(key_name('\x1d'), "Ctrl-]");
  EXPECT_EQ(key_name('\x01'), "Ctrl-A");
}

TEST(DetachKey, IsNoKeyThatConsolesNeed) {
  for (const char* bad : {"", "^", "a", "]", "^ab", "^1", "^m", "^J", "^[", "ctrl-", "alt-a", "^ ", "^\x7f", "^@"})
    EXPECT_FALSE(parse_detach_key(bad)) << bad;
  EXPECT_NE(parse_detach_key("F1").error().message.find("\"F1\""), std::string::npos);
}

}  // namespace
}  // namespace qarax::cli
