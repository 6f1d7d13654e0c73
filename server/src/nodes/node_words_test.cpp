#include "node_words.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "calls.hpp"
#include "qarax/core/cut.hpp"

namespace qarax::server {
namespace {

TEST(NodeWordsTest, HowFarACommandIsHasItsBounds) {
  const auto progress = read_progress(R"({"vm":"v","revision":7,"step":"memory","done":3,"total":4,"later":1})");
  ASSERT_TRUE(progress) << progress.error().message;
  EXPECT_EQ(progress->step, "memory");
  EXPECT_EQ(progress->done, 3);
  EXPECT_FALSE(read_progress(R"({"vm":"v","done":-1})"));
  EXPECT_FALSE(read_progress("{"));
  core::CommandProgress large{"v", 7, std::string(100'000, 'x'), INT64_MAX, INT64_MAX};
  const auto cut = read_progress(encode(large));
  ASSERT_TRUE(cut);
  EXPECT_LE(cut->step.size(), core::kLongestText);
  EXPECT_EQ(cut->total, core::kLargestNumber);
}

constexpr std::int64_t kMost = core::kLargestNumber;
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string report_with(const std::string& members) {
  return R"({"vm":"v","status":{"state":"running"})" + (members.empty() ? "" : "," + members) + "}";
}

TEST(NodeWords, AReportsNumbersAreOnesThatANodeCanComeTo) {
  EXPECT_TRUE(read_report(report_with("")));
  for (const char* member : {"incarnation", "revision", "seq", "keep_edition"}) {
    const auto with = [&](std::int64_t value) {
      return read_report(report_with("\"" + std::string(member) + "\":" + std::to_string(value)));
    };
    EXPECT_TRUE(with(kMost)) << member;
    for (const std::int64_t bad : {kMost + 1, kMax, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
      const auto report = with(bad);
      ASSERT_FALSE(report) << member << " " << bad;
      EXPECT_EQ(report.error().reason, kUnbelievable);
      EXPECT_NE(report.error().message.find(std::to_string(bad)), std::string::npos) << report.error().message;
    }
  }
}

TEST(NodeWords, AReportThatCantBeReadMayStillSayWhichVmItIsAbout) {
  const std::string of_a_newer_node = R"({"status":7,"vm":"v"})";
  EXPECT_FALSE(read_report(of_a_newer_node));
  EXPECT_EQ(vm_of_report(of_a_newer_node), "v");
  for (const char* nothing : {"", "{", "[]", "7", R"({"status":7})", R"({"vm":7})"})
    EXPECT_EQ(vm_of_report(nothing), "") << nothing;
}

TEST(NodeWords, WhomItObeysIsHeldToTheSame) {
  NodeSurvey out;
  node::v1::Authority said;
  said.set_cluster_id("c");
  said.set_term(kMost);
  said.set_position(kMost);
  ASSERT_TRUE(read_obeyed(said, out));
  EXPECT_EQ(out.obeyed.term, kMost);
  EXPECT_EQ(out.position, kMost);
  said.set_position(kMax);
  EXPECT_FALSE(read_obeyed(said, out));
  said.set_position(0);
  for (const std::int64_t bad : {kMost + 1, kMax, std::int64_t{-1}}) {
    said.set_term(bad);
    EXPECT_EQ(read_obeyed(said, out).error().reason, kUnbelievable) << bad;
  }
}

// Every node must accept the term after the adopted one, and those of many further servers.
TEST(NodeWords, AnAdoptLeavesRoomAboveWhatItTakesOver) {
  const auto can = [](std::int64_t term, std::int64_t own) {
    NodeSurvey seen;
    seen.obeyed.term = term;
    return check_adoptable(seen, own);
  };
  EXPECT_TRUE(can(7, 1));
  EXPECT_TRUE(can(kLargestAdopted, 1));
  EXPECT_EQ(can(kLargestAdopted + 1, 1).error().reason, kUnbelievable);
  EXPECT_TRUE(can(kLargestAdopted + 1, kLargestAdopted + 1)) << "this server's own";

  const auto kept = [](const char* member, std::int64_t value) {
    return read_kept_vm(R"({"report":)" + report_with("\"" + std::string(member) + "\":" + std::to_string(value)) +
                        "}");
  };
  for (const char* member : {"incarnation", "revision", "keep_edition"}) {
    EXPECT_EQ(kept(member, kLargestAdopted)->problem, "") << member;
    EXPECT_NE(kept(member, kLargestAdopted + 1)->problem, "") << member;
    EXPECT_FALSE(kept(member, kMost + 1)) << member;
  }
}

TEST(NodeWords, WhatIsAddedUpDoesNotOverflow) {
  core::NodeInfo said;
  core::PluginInfo plugin;
  plugin.description.emplace().limits.vmm_overhead = kMax;
  said.plugins.push_back(plugin);
  const auto info = read_node_info(encode(said, Defaults::write));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->plugins.at(0).description->limits.vmm_overhead, kMost);
  said.memory = kMax;
  EXPECT_EQ(read_node_info(encode(said, Defaults::write)).error().reason, kUnbelievable);
}

TEST(NodeWords, AStateOfAPluginThatOnlyANewerNodeHasIsUnknown) {
  const auto state_of = [](const std::string& word) {
    const auto info = read_node_info(R"({"node_id":"n","plugins":[{"name":"foo","state":")" + word + R"("}]})");
    EXPECT_TRUE(info) << word << ": " << info.error().message;
    return info->plugins.at(0).state;
  };
  EXPECT_EQ(state_of("loaded"), core::PluginState::loaded);
  EXPECT_EQ(state_of("loading"), core::PluginState::loading);
  EXPECT_EQ(state_of("refused"), core::PluginState::refused);
  for (const char* newer : {"draining", ""}) EXPECT_EQ(state_of(newer), core::PluginState::unknown) << newer;
}

TEST(NodeWords, ReasonsLogsAndErrorsAreCut) {
  const std::string text(2 * core::kLongestText, 'x');
  const auto report = read_report(R"({"vm":"v","status":{"state":"shutdown","status_reason":")" + text +
                                  R"(","exit":{"kind":"exited","log_tail":")" + text + "\"}}}");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->status.status_reason.size(), core::kLongestText);
  EXPECT_EQ(report->status.exit->log_tail.size(), core::kLongestText);

  Error said = make_error(Code::internal, text, text);
  said.log_tail = said.hint = said.step = text;
  said.details.resize(100, {text, text});
  said.causes.resize(100, text);
  const std::string document = encode(said);
  const auto error = read_error(document);
  ASSERT_TRUE(error);
  for (const std::string* one : {&error->message, &error->reason, &error->hint, &error->log_tail, &error->step,
                                 &error->details.at(0).detail, &error->details.at(0).pointer, &error->causes.at(0)})
    EXPECT_EQ(one->size(), core::kLongestText);
  EXPECT_EQ(error->details.size(), core::kMostDetails);
  EXPECT_EQ(error->causes.size(), core::kMostDetails);
  EXPECT_EQ(to_error(grpc::Status(grpc::StatusCode::INTERNAL, "", document)).message.size(), core::kLongestText);
  EXPECT_EQ(to_error(grpc::Status(grpc::StatusCode::INTERNAL, text)).message.size(), core::kLongestText);
}

}  // namespace
}  // namespace qarax::server
