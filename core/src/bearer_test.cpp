#include "qarax/core/bearer.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

// printf secret | sha256sum
constexpr const char* kSecretsDigest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

TEST(Bearer, TheSchemeIsTakenInAnyCaseAndBlanksAroundTheTokenDontCount) {
  EXPECT_EQ(bearer_token("Bearer secret"), "secret");
  EXPECT_EQ(bearer_token("bearer  abc "), "abc");
  EXPECT_EQ(bearer_token("BEARER \tabc\t"), "abc");
  EXPECT_EQ(bearer_token("Bearer a b"), "a b");
}

TEST(Bearer, WhatHasNoTokenGivesNone) {
  for (const char* header : {"", "secret", "Bearer", "Bearer ", "Bearer  \t", " Bearer secret", "Bearer\tsecret",
                             "Basic secret", "Bearersecret"})
    EXPECT_EQ(bearer_token(header), "") << header;
}

TEST(Bearer, OnlyTheTokenItselfIsTaken) {
  EXPECT_TRUE(*is_token_of("secret", kSecretsDigest));
  for (const char* token : {"", "Secret", "secret ", "secre", kSecretsDigest})
    EXPECT_FALSE(*is_token_of(token, kSecretsDigest)) << token;
}

TEST(Bearer, ADigestThatIsNoneMatchesNothing) {
  EXPECT_FALSE(*is_token_of("secret", "2bb8"));
  EXPECT_FALSE(*is_token_of("secret", ""));
  EXPECT_FALSE(*is_token_of("", ""));
  // sha256 of nothing: an empty token opens no door that was configured with it.
  EXPECT_FALSE(*is_token_of("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

}  // namespace
}  // namespace qarax::core
