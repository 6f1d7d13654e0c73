// Texts of a plugin about itself and its failures are bounded; a crash prints the plugin's name.
#include <gmock/gmock.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "qarax/core/plugin_host/crash_word.hpp"
#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

using ::testing::HasSubstr;

class Words : public ::testing::Test {
 protected:
  Words() {
    const auto record = host_.load({.path = fixture("bad_answers"), .config = {"null"}});
    if (record.state != PluginState::loaded) throw std::runtime_error(record.reason);
    bad_ = host_.hypervisor(record.name);
  }
  Result<VmStatus> start(const std::string& vm) { return bad_->start({}, {.vm = vm, .incarnation = 1}); }
  RecordingServices services_;
  PluginHost host_{services_};
  LoadedHypervisor* bad_ = nullptr;
};

TEST_F(Words, ALongErrorIsCut) {
  const auto failed = start("long-error");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::aborted);
  EXPECT_LT(failed.error().message.size(), 4200u);
  EXPECT_THAT(failed.error().message, ::testing::StartsWith("plugin bad_answers: start: xxx"));
}

TEST_F(Words, ALongReasonIsCut) {
  const auto started = start("long-answer");
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_LE(started->status_reason.size(), 4096u);
}

TEST_F(Words, WhatGrowsTooLargeAsItIsRepairedIsRefused) {
  const auto grown = start("grows-answer");
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, Code::resource_exhausted);
  EXPECT_THAT(grown.error().message, HasSubstr("its answer has 3145"));
  const auto failed = start("grows-error");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::aborted);
  EXPECT_THAT(failed.error().message,
              HasSubstr("its error document can't be read: it has 3145700 bytes; at most 1048576 are taken: "
                        "{\"message\":\"\xEF\xBF\xBD"));
  EXPECT_LT(failed.error().message.size(), 1000u);
}

TEST_F(Words, AnErrorThatHoldsANulIsntSilent) {
  EXPECT_THAT(start("nul-error").error().message,
              HasSubstr("its error document can't be read: not a valid JSON document"));
}

using CrashDeathTest = Words;

TEST_F(CrashDeathTest, TheLastWordNamesPluginCallAndVm) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        tell_of_crashes();
        static_cast<void>(start("crash"));
      },
      ::testing::KilledBySignal(SIGABRT), "SIGABRT in plugin bad_answers: start vm=crash");
}

// dlopen is noexcept, so no exception of an initialiser, whatever its type, reaches a handler of the host.
TEST_F(CrashDeathTest, TheLastWordNamesTheFileWhoseStaticInitialiserThrows) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  for (const bool is_int : {false, true})
    EXPECT_EXIT(
        {
          tell_of_crashes();
          if (is_int) ::setenv("QARAX_FIXTURE_INT", "1", 1);
          host_.load({.path = fixture("throws_on_load")});
        },
        ::testing::KilledBySignal(SIGABRT), "SIGABRT in plugin .*throws_on_load.so: loading it");
}

TEST_F(CrashDeathTest, ACallThatIsOverIsntNamed) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        tell_of_crashes();
        static_cast<void>(start("good"));
        ::raise(SIGABRT);
      },
      ::testing::KilledBySignal(SIGABRT), "SIGABRT in no plugin's call");
}

}  // namespace
}  // namespace qarax::core::testing
