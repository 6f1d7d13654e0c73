#include "accelerator.hpp"

#include <gtest/gtest.h>

namespace qarax::plugin {
namespace {

const KvmFacts kOpens{"", "/dev/kvm opens, API 12"};

TEST(Decide, KvmOnlyWhereATrialRan) {
  const Trial ran{true, false, "", 5000};
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, &ran, "");
  EXPECT_EQ(verdict.accelerator, "kvm");
  EXPECT_NE(verdict.evidence.find("trial guest ran"), std::string::npos);
}

TEST(Decide, ADeviceThatOpensButRunsNothingIsTcgWithTheReason) {
  const Trial hung{false, true, "Booting from ROM..", 5000};
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, &hung, "");
  EXPECT_EQ(verdict.accelerator, "tcg");
  EXPECT_NE(verdict.evidence.find("printed nothing within 5000 ms"), std::string::npos) << verdict.evidence;
  EXPECT_NE(verdict.evidence.find("Booting from ROM"), std::string::npos);
  EXPECT_NE(verdict.evidence.find("/dev/kvm opens"), std::string::npos);
}

TEST(Decide, KvmDemandedIsNeverSilentlyTcg) {
  const Trial crashed{false, false, "KVM internal error. Suberror: 1", 5000};
  const auto verdict = decide(AcceleratorChoice::kvm, kOpens, &crashed, "");
  EXPECT_EQ(verdict.accelerator, "");
  EXPECT_NE(verdict.evidence.find("KVM internal error"), std::string::npos);
  EXPECT_EQ(decide(AcceleratorChoice::kvm, {"there is no /dev/kvm", ""}, nullptr, "").accelerator, "");
}

TEST(Decide, WithoutATrialAutoStaysWithTcg) {
  const auto verdict = decide(AcceleratorChoice::automatic, kOpens, nullptr, "no kernel to try");
  EXPECT_EQ(verdict.accelerator, "tcg");
  EXPECT_NE(verdict.evidence.find("no kernel to try"), std::string::npos);
  EXPECT_EQ(decide(AcceleratorChoice::kvm, kOpens, nullptr, "no kernel to try").accelerator, "kvm");
}

TEST(Decide, TcgByConfigSaysSo) {
  EXPECT_NE(decide(AcceleratorChoice::tcg, {}, nullptr, "").evidence.find("accelerator: tcg"), std::string::npos);
}

TEST(LookAtKvm, AMissingDeviceNamesIt) {
  const auto facts = look_at_kvm("/nonexistent/kvm");
  EXPECT_NE(facts.reason.find("there is no /nonexistent/kvm"), std::string::npos);
}

TEST(LookAtKvm, WhatIsNoKvmDeviceIsRefused) {
  EXPECT_NE(look_at_kvm("/dev/null").reason.find("API version"), std::string::npos);
}

}  // namespace
}  // namespace qarax::plugin
