#include "qarax/core/sha256.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

TEST(Sha256, GivesTheKnownDigests) {
  EXPECT_EQ(*sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(*sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, KnowsItsOwnForm) {
  const std::string digest = *sha256_hex("abc");
  EXPECT_TRUE(is_sha256_hex(digest));
  EXPECT_FALSE(is_sha256_hex(digest.substr(1)));
  EXPECT_FALSE(is_sha256_hex("BA78" + digest.substr(4))) << "compared as it is written";
  EXPECT_FALSE(is_sha256_hex(""));
}

}  // namespace
}  // namespace qarax::core
