#include "bearer.hpp"

#include <gtest/gtest.h>

namespace qarax::agent {
namespace {

// sha256("secret")
constexpr const char* kDigest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

// What counts as a token, and as the right one, is tested with core's bearer.hpp.
TEST(Bearer, TheTokenItselfIsTaken) {
  EXPECT_TRUE(check_bearer("Bearer secret", kDigest));
  EXPECT_TRUE(check_bearer("bearer secret", kDigest));
}

TEST(Bearer, AnythingElseIsRefusedWithoutAHintOfTheToken) {
  for (const char* header : {"", "Basic secret", "Bearer Secret",
                             "Bearer 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"}) {
    const Status checked = check_bearer(header, kDigest);
    ASSERT_FALSE(checked) << header;
    EXPECT_EQ(checked.error().code, Code::unauthenticated) << header;
    EXPECT_EQ(checked.error().reason, "unauthorized") << header;
    EXPECT_EQ(checked.error().message.find("2bb8"), std::string::npos) << checked.error().message;
  }
}

TEST(Bearer, WhoSendsNoneLearnsThatOneIsAskedFor) {
  for (const char* header : {"", "Bearer ", "Basic secret"})
    EXPECT_NE(check_bearer(header, kDigest).error().message.find("asks for a bearer token"), std::string::npos)
        << header;
  EXPECT_NE(check_bearer("Bearer other", kDigest).error().message.find("wrong bearer token"), std::string::npos);
}

}  // namespace
}  // namespace qarax::agent
