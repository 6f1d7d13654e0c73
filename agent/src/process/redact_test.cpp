#include "redact.hpp"

#include <gtest/gtest.h>

namespace qarax::agent {
namespace {

std::string hidden(std::string text, std::string_view folder) {
  hide_folder(text, folder);
  return text;
}

TEST(Redact, TheFolderIsHiddenWhereverItStands) {
  EXPECT_EQ(hidden("can't open /var/q/vms/1 nor /var/q", "/var/q"), "can't open <data_dir>/vms/1 nor <data_dir>");
  EXPECT_EQ(hidden("/a/a/b", "/a"), "<data_dir><data_dir>/b");
  EXPECT_EQ(hidden("nothing of it", "/var/q"), "nothing of it");
  EXPECT_EQ(hidden("", "/var/q"), "");
}

TEST(Redact, AFolderThatIsNoneHidesNothing) { EXPECT_EQ(hidden("/var/q", ""), "/var/q"); }

// A folder whose name is part of what replaces it isn't looked for in the replacement.
TEST(Redact, ItEnds) { EXPECT_EQ(hidden("d d", "d"), "<data_dir> <data_dir>"); }

}  // namespace
}  // namespace qarax::agent
