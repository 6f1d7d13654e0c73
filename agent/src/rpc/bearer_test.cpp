#include "bearer.hpp"

#include <gtest/gtest.h>

namespace qarax::agent {
namespace {

// sha256("secret")
constexpr const char* kDigest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

TEST(Bearer, TheTokenItselfIsTaken) { EXPECT_TRUE(check_bearer("Bearer secret", kDigest)); }

TEST(Bearer, AnythingElseIsRefusedWithoutAHintOfTheToken) {
  for (const char* header :
       {"", "secret", "Bearer", "Bearer ", "bearer secret", "Basic secret", "Bearer Secret", "Bearer secret ",
        "Bearer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}) {
    const Status checked = check_bearer(header, kDigest);
    ASSERT_FALSE(checked) << header;
    EXPECT_EQ(checked.error().code, Code::unauthenticated) << header;
    EXPECT_EQ(checked.error().reason, "unauthorized") << header;
    EXPECT_EQ(checked.error().message.find("2bb8"), std::string::npos) << checked.error().message;
  }
}

TEST(Bearer, ADigestThatIsNoneMatchesNothing) {
  EXPECT_FALSE(check_bearer("Bearer secret", "2bb8"));
  EXPECT_FALSE(check_bearer("Bearer ", ""));
}

}  // namespace
}  // namespace qarax::agent
