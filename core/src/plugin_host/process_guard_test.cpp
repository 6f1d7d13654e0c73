#include "qarax/core/plugin_host/process_guard.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

namespace qarax::core {
namespace {

TEST(ProcessGuard, NothingChangedNothingSaid) {
  ProcessGuard guard;
  EXPECT_THAT(guard.restore(), ::testing::IsEmpty());
}

TEST(ProcessGuard, OneChangeOneWord) {
  ProcessGuard guard;
  std::signal(SIGUSR2, SIG_IGN);
  EXPECT_THAT(guard.restore(), ::testing::ElementsAre("ignored SIGUSR2"));
  EXPECT_THAT(guard.restore(), ::testing::IsEmpty());

  const auto folder = std::filesystem::current_path();
  ASSERT_EQ(::chdir("/"), 0);
  EXPECT_THAT(guard.restore(), ::testing::ElementsAre("changed the working folder"));
  EXPECT_EQ(std::filesystem::current_path(), folder);
}

}  // namespace
}  // namespace qarax::core
