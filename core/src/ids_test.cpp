#include "qarax/core/ids.hpp"

#include <gtest/gtest.h>

#include <set>

namespace qarax::core {
namespace {

TEST(Uuid, IsVersion4AndUnique) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_uuid();
    ASSERT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Uuid, OrderedOnesAreInTheOrderOfTheirMakingAlsoWithinAMillisecond) {
  std::string before;
  for (int i = 0; i < 10'000; ++i) {  // more than twice what the counter within a millisecond holds
    const std::string id = new_ordered_uuid();
    ASSERT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '7');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    ASSERT_LT(before, id);
    before = id;
  }
}

TEST(Uuid, RefusesWhatOnlyLooksLikeOne) {
  const char* const bad[] = {"",
                             "x",
                             "123e4567-e89b-12d3-a456-42661417400",
                             "123e4567-e89b-12d3-a456-4266141740000",
                             "123e4567ee89b-12d3-a456-426614174000",
                             "123g4567-e89b-12d3-a456-426614174000",
                             "../../../../../../../../../../etc/passwd"};
  for (const char* text : bad) EXPECT_FALSE(is_uuid(text)) << text;
  EXPECT_TRUE(is_uuid("123E4567-E89B-12D3-A456-426614174000"));
}

TEST(BootIdentity, IsStableWithinABoot) {
  EXPECT_EQ(boot_identity(), boot_identity());
  EXPECT_GT(boot_identity().size(), 40u);
}

TEST(Fingerprint, TellsTextsApart) {
  EXPECT_EQ(fingerprint(""), "cbf29ce484222325");
  EXPECT_EQ(fingerprint("a"), "af63dc4c8601ec8c");
  EXPECT_NE(fingerprint("ab"), fingerprint("ba"));
}

}  // namespace
}  // namespace qarax::core
