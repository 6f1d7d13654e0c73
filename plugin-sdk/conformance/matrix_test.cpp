#include "matrix.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "qarax/plugin/abi.h"

namespace qarax::conformance {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Report report_of(const std::string& name, const std::string& version) {
  Report out;
  out.plugin.name = name;
  out.plugin.description.vmm_version = version;
  out.plugin.description.accelerator = "tcg";
  out.outcomes = {{"HV-START-01", QARAX_HYPERVISOR_1, "", Verdict::passed, "", 1},
                  {"PAUSE-01", QARAX_HYPERVISOR_PAUSE_1, "", Verdict::failed, "it said so", 1},
                  {"REBOOT-01", QARAX_HYPERVISOR_REBOOT_1, "", Verdict::not_offered, "", 0},
                  {"RESIZE-01", QARAX_HYPERVISOR_RESIZE_1, "", Verdict::skipped, "", 0}};
  return out;
}

TEST(Matrix, ARowSaysWhatTheRunSaid) {
  const std::string page = with_reports("", {report_of("qemu", "7.2.22 (Debian)")});
  EXPECT_THAT(page, HasSubstr("| plugin | VMM | run on | hypervisor | pause | reboot | resize |"));
  EXPECT_THAT(page, HasSubstr("| qemu | 7.2 | tcg | yes | no: PAUSE-01 | – | untried |"));
  std::vector<std::string> notes;
  EXPECT_THAT(stale(page, {report_of("qemu", "7.2.99")}, notes), IsEmpty());
  EXPECT_THAT(notes, IsEmpty());
}

TEST(Matrix, ARuleThatWasNotTriedIsNotPromised) {
  Report report = report_of("vmm", "1.0");
  report.outcomes.push_back({"RESIZE-02", QARAX_HYPERVISOR_RESIZE_1, "", Verdict::skipped, "", 0});
  report.outcomes.push_back({"RESIZE-03", QARAX_HYPERVISOR_RESIZE_1, "", Verdict::passed, "", 1});
  EXPECT_THAT(with_reports("", {report}), HasSubstr("| yes, but RESIZE-01, RESIZE-02 |"));
}

TEST(Matrix, WhatTheKitHasNoRuleForIsWhatTheVersionSays) {
  Report older = report_of("vmm", "44.0");
  older.plugin.description.features = {"nics"};
  Report newer = report_of("vmm", "53.0");
  newer.plugin.description.features = {"disks", "nics"};
  const std::string page = with_reports("", {older, newer});
  EXPECT_THAT(page, HasSubstr("| disks | nics |\n"));
  EXPECT_THAT(page, ContainsRegex("vmm \\| 44.0 .* \\| – \\| not in kit \\|\n"));
  EXPECT_THAT(page, ContainsRegex("vmm \\| 53.0 .* \\| not in kit \\| not in kit \\|\n"));
}

TEST(Matrix, AChangeIsStaleAndANewVersionIsNot) {
  const std::string page = with_reports("", {report_of("qemu", "7.2")});
  Report changed = report_of("qemu", "7.2");
  changed.outcomes[1].verdict = Verdict::passed;
  std::vector<std::string> notes;
  ASSERT_THAT(stale(page, {changed}, notes), SizeIs(1));
  EXPECT_THAT(stale(page, {changed}, notes)[0], HasSubstr("no: PAUSE-01"));
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_THAT(stale(page, {report_of("qemu", "10.0")}, notes), IsEmpty());
  EXPECT_THAT(notes, SizeIs(1));
  EXPECT_THAT(stale(page, {report_of("other", "1")}, notes), SizeIs(1));
}

TEST(Matrix, RowsOfTheLabStay) {
  Report lab = report_of("qemu", "7.2");
  lab.lab = true;
  lab.date = "2026-01-31";
  lab.plugin.description.accelerator = "kvm";
  std::string page = with_reports("", {lab, report_of("qemu", "7.2")});
  Report changed = report_of("qemu", "7.2");
  changed.outcomes[1].verdict = Verdict::passed;
  page = with_reports(page, {changed});
  EXPECT_THAT(page, HasSubstr("| qemu | 7.2 | lab, kvm, 2026-01-31 | yes | no: PAUSE-01 |"));
  EXPECT_THAT(page, HasSubstr("| qemu | 7.2 | tcg | yes | yes |"));
}

TEST(Matrix, ANewerRunInTheLabTakesTheRow) {
  Report lab = report_of("qemu", "7.2");
  lab.lab = true;
  lab.date = "2026-01-31";
  const std::string page = with_reports("", {lab});
  lab.date = "2026-02-01";
  lab.outcomes[1].verdict = Verdict::passed;
  const std::string newer = with_reports(page, {lab, report_of("qemu", "7.2")});
  EXPECT_THAT(newer, HasSubstr("| qemu | 7.2 | lab, tcg, 2026-02-01 | yes | yes |"));
  EXPECT_THAT(newer, Not(HasSubstr("2026-01-31")));
  EXPECT_THAT(newer, HasSubstr("| qemu | 7.2 | tcg | yes | no: PAUSE-01 |"));
}

TEST(Matrix, WhatWasntTriedSaysNothing) {
  Report untried = report_of("cloud_hv", "");
  untried.untried = "no /dev/kvm";
  std::vector<std::string> notes;
  EXPECT_THAT(stale("", {untried}, notes), IsEmpty());
  EXPECT_THAT(notes, SizeIs(1));
  EXPECT_THAT(with_reports("", {untried}), Not(HasSubstr("cloud_hv")));
}

}  // namespace
}  // namespace qarax::conformance
