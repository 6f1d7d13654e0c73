#include "questions.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace qarax::agent {
namespace {

constexpr std::int64_t kPastDeadline = 1;
constexpr std::int64_t kNoDeadline = 0;

TEST(Questions, APluginThatOwesTwoAnswersIsntAskedAgain) {
  Questions questions(16);
  std::optional<Result<core::Scope>> first(questions.begin("VM a", kPastDeadline));
  const auto second = questions.begin("VM a", kPastDeadline);
  ASSERT_TRUE(*first && second);
  const auto refused = questions.begin("VM a", kNoDeadline);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "plugin-hangs");
  EXPECT_NE(refused.error().message.find("2 earlier questions about VM a"), std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(questions.begin("VM b", kNoDeadline)) << "others are asked about";
  first.reset();
  EXPECT_TRUE(questions.begin("VM a", kNoDeadline)) << "the plugin has answered";
}

TEST(Questions, OfThoseThatHaveTimeManyMayBeUnderWay) {
  Questions questions(3);
  const std::int64_t later = plugin::monotonic_ns() + 3'600'000'000'000;
  std::vector<Result<core::Scope>> asked;
  for (const std::int64_t deadline : {later, later, kNoDeadline}) asked.push_back(questions.begin("VM a", deadline));
  for (const auto& one : asked) EXPECT_TRUE(one);
  const auto refused = questions.begin("VM a", kNoDeadline);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(refused.error().reason, "overloaded") << "no plugin hangs: " << refused.error().message;
  EXPECT_TRUE(refused.error().retryable);
  EXPECT_GT(refused.error().retry_after_ms, 0);
  EXPECT_TRUE(questions.begin("VM b", kNoDeadline)) << "others are asked about";
  asked.clear();
  EXPECT_TRUE(questions.begin("VM a", kPastDeadline));
}

}  // namespace
}  // namespace qarax::agent
