// Each rule fails on a plugin that breaks only this rule, and passes on the same plugin unbroken, on the template and
// on the template in plain C.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <set>

#include "ledger.hpp"
#include "place.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/logging.hpp"
#include "rules/rules.hpp"
#include "runner.hpp"

namespace qarax::conformance {
namespace {

using ::testing::IsEmpty;

constexpr int kPatience = 5;  // for rules that must pass on a busy machine
constexpr int kJobs = 8;      // the jobs mostly wait

Settings settings_for(const std::string& plugin, const std::string& breaks = {}) {
  static const bool quiet = core::init_logging("error").ok();
  static_cast<void>(quiet);
  Settings out = *read_settings(plugin, "", {}, "");
  out.supervisor = QARAX_SUPERVISOR;
  out.spec.memory_hotplug_size = 128LL << 20;
  if (!breaks.empty()) out.config.text = "{\"breaks\":" + json::to_text(json::Value(breaks)) + "}";
  return out;
}

Report checked(const Settings& settings, const Rules& rules) {
  auto report = check(settings, rules, kJobs, [](const Outcome&) {});
  EXPECT_TRUE(report) << report.error().message;
  return report ? *report : Report{};
}

std::vector<std::string> lines(const Report& report, Verdict verdict) {
  std::vector<std::string> out;
  for (const auto& outcome : report.outcomes)
    if (outcome.verdict == verdict) out.push_back(to_line(outcome));
  return out;
}

std::string fixture_for(std::string_view rule) {
  if (rule == "HV-SPEC-01") return DEAF;
  if (rule == "HS-CONF-01" || rule == "HS-DESC-02") return BREAKABLE_POOR;
  return BREAKABLE;
}

TEST(Conformance, EachRuleFailsOnAPluginThatBreaksIt) {
  const Rules rules = all_rules();
  std::vector<Settings> settings;
  for (const Rule& rule : rules) {
    const std::string fixture = fixture_for(rule.id);
    settings.push_back(settings_for(fixture, fixture == BREAKABLE ? std::string(rule.id) : ""));
  }
  std::vector<Trial> trials;
  for (std::size_t i = 0; i < rules.size(); ++i) trials.push_back({&settings[i], &rules[i]});
  const auto outcomes = try_rules(trials, kJobs, [](const Outcome&) {});
  ASSERT_TRUE(outcomes);
  for (const Outcome& outcome : *outcomes) {
    EXPECT_EQ(outcome.verdict, Verdict::failed) << to_line(outcome);
    std::cout << to_line(outcome) << '\n';
  }
}

TEST(Conformance, TheSamePluginUnbrokenPasses) {
  auto settings = settings_for(BREAKABLE);
  settings.patience = kPatience;
  const Report report = checked(settings, all_rules());
  EXPECT_THAT(lines(report, Verdict::failed), IsEmpty());
  EXPECT_THAT(lines(report, Verdict::skipped), IsEmpty());
  EXPECT_EQ(count(report, Verdict::passed), static_cast<int>(all_rules().size())) << summary(report);
}

TEST(Conformance, WhatIsntOfferedIsSaid) {
  for (const char* plugin : {SLEEPER, C_PLUGIN}) {
    auto settings = settings_for(plugin);
    settings.patience = kPatience;
    const Report report = checked(settings, all_rules());
    EXPECT_THAT(lines(report, Verdict::failed), IsEmpty()) << plugin;
    EXPECT_GT(count(report, Verdict::passed), 25) << summary(report);
    EXPECT_GT(count(report, Verdict::not_offered), 5) << summary(report);
  }
}

TEST(Conformance, AResizeThatDoesNothingIsSeenInTheLiveDocument) {
  auto settings = settings_for(BREAKABLE, "RESIZE");
  settings.patience = kPatience;
  Rules rules = all_rules();
  std::erase_if(rules, [](const Rule& rule) { return rule.interface != QARAX_HYPERVISOR_RESIZE_1; });
  const Report report = checked(settings, rules);
  const auto failed = lines(report, Verdict::failed);
  ASSERT_EQ(failed.size(), 2u) << summary(report);
  EXPECT_THAT(failed[0], ::testing::HasSubstr("RESIZE-01"));
  EXPECT_THAT(failed[1], ::testing::HasSubstr("RESIZE-02"));
}

// As in the server: if `features` names none of the interfaces, the plugin can do everything that it offers.
TEST(Conformance, NoFeaturesDenyNothing) {
  auto settings = settings_for(BREAKABLE);
  settings.config.text = R"({"breaks":"PAUSE-02","silent":true})";
  settings.patience = kPatience;
  Rules rules = all_rules();
  std::erase_if(rules, [](const Rule& rule) { return std::string_view(rule.id).find("PAUSE-0") != 0; });
  const Report report = checked(settings, rules);
  EXPECT_THAT(lines(report, Verdict::skipped), IsEmpty());
  ASSERT_EQ(count(report, Verdict::failed), 1) << summary(report);
  EXPECT_THAT(lines(report, Verdict::failed).front(), ::testing::HasSubstr("PAUSE-02"));
}

TEST(Settings, MaxVcpusFollowBootVcpusWhereTheyArentNamed) {
  const std::string file = ::testing::TempDir() + "/settings-" + std::to_string(::getpid()) + ".yaml";
  const auto max_of = [&](const std::string& spec) {
    std::ofstream(file) << "spec: {" << spec << "}\n";
    const auto settings = read_settings(BREAKABLE, file, {}, "");
    return settings ? settings->spec.max_vcpus : -1;
  };
  EXPECT_EQ(max_of("boot_vcpus: 4"), 4);
  EXPECT_EQ(max_of("boot_vcpus: 1"), 2);
  EXPECT_EQ(max_of("boot_vcpus: 1, max_vcpus: 1"), 1);
}

TEST(Conformance, APluginThatDoesntLoadFailsOneRule) {
  const Report report = checked(settings_for(BREAKABLE, "HS-LOAD-01"), all_rules());
  ASSERT_EQ(count(report, Verdict::failed), 1);
  EXPECT_EQ(report.outcomes.front().id, "HS-LOAD-01");
  EXPECT_THAT(report.outcomes.front().why, ::testing::HasSubstr("refused at create"));
}

TEST(Conformance, WhatIsClaimedAndThereIsLeft) {
  auto place = make_place();
  ASSERT_TRUE(place) << place.error().message;
  const std::string vm_dir = place->vms() + "/" + place->vm_ids.front();
  ASSERT_TRUE(core::make_folder(vm_dir));
  ASSERT_TRUE(agent::Ledger(vm_dir).claim({{"mount", "/proc"},
                                           {"mount", "/no such mount"},
                                           {"file", place->empty_kernel()},
                                           {"file", vm_dir + "/never-made"},
                                           {"volume", "pool/disk"}}));
  EXPECT_THAT(leftovers(*place, ::getpid()),
              ::testing::UnorderedElementsAre("claimed mount /proc", "claimed file " + place->empty_kernel()));
  remove_place(*place);
}

TEST(Conformance, IdsAreUnique) {
  std::set<std::string_view> ids;
  for (const Rule& rule : all_rules()) {
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_NE(rule.in_agent == nullptr, rule.on_bench == nullptr) << rule.id;
  }
}

TEST(Report, JUnitEscapesAndCounts) {
  Report report;
  report.plugin.name = "a<b";
  report.outcomes = {{"X-01", "x", "does", Verdict::failed, "said \"no\" & went", 1234},
                     {"X-02", "x", "does", Verdict::skipped, "can't", 0}};
  const std::string xml = to_junit(report);
  EXPECT_THAT(xml, ::testing::HasSubstr("tests=\"2\" failures=\"1\" skipped=\"1\""));
  EXPECT_THAT(xml, ::testing::HasSubstr("said &quot;no&quot; &amp; went"));
  EXPECT_THAT(xml, ::testing::HasSubstr("time=\"1.234\""));
  EXPECT_THAT(xml, ::testing::HasSubstr("a&lt;b"));
}

}  // namespace
}  // namespace qarax::conformance
