// Whose version of a record counts at an adopt, and what becomes of a machine whose sizes were changed since its last
// start.
#include "adopted_record.hpp"

#include <gtest/gtest.h>

#include "keep.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

VmSpec sized(std::int64_t mebibytes) {
  VmSpec spec;
  spec.memory_size = mebibytes * kMiB;
  return spec;
}

// A VM that was started with 256 MiB and then given `words`.
core::KeptVm kept(VmState state, const VmRecord& words) {
  core::KeptVm out;
  out.report.vm = words.id;
  out.report.name = words.name;
  out.report.hypervisor = "fake";
  out.report.incarnation = 2;
  out.report.revision = 5;
  out.report.status.state = state;
  out.report.keep_edition = words.edition;
  out.report.resolved = sized(256);
  out.report.resolved->config.text = R"({"machine":"frozen-1"})";
  out.spec = sized(256);
  out.keep.text = encode(keep_of(words));
  return out;
}

VmRecord record(std::int64_t edition, const std::string& name) {
  VmRecord vm;
  vm.id = "6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55";
  vm.name = name;
  vm.edition = edition;
  vm.incarnation = 2;
  vm.revision = 5;
  vm.spec = sized(256);
  vm.tags = {name};
  return vm;
}

TEST(AdoptedRecord, TheLaterWordsCountWhoeverHasThem) {
  const auto here = [](std::int64_t edition) { return std::make_shared<const VmRecord>(record(edition, "here")); };
  const core::KeptVm there = kept(VmState::shutdown, record(7, "there"));
  EXPECT_EQ(adopted_record("h", there, here(6)).name, "there");
  EXPECT_EQ(adopted_record("h", there, here(6)).tags, std::vector<std::string>{"there"});
  EXPECT_EQ(adopted_record("h", there, here(6)).edition, 7);
  EXPECT_EQ(adopted_record("h", there, here(7)).name, "here");
  EXPECT_EQ(adopted_record("h", there, here(9)).name, "here");
  EXPECT_EQ(adopted_record("h", there, here(9)).edition, 9);
  EXPECT_EQ(changes_of(*here(6), adopted_record("h", there, here(6))), "name, tags");
}

TEST(AdoptedRecord, WhatWasAskedForIsWhatItIsFoundToBe) {
  EXPECT_EQ(adopted_record("h", kept(VmState::paused, record(7, "there")), nullptr).desired.state, VmState::paused);
  const core::KeptVm unseen = kept(VmState::unknown, record(7, "there"));
  EXPECT_EQ(adopted_record("h", unseen, nullptr).desired.state, VmState::unknown) << "its node is still looking";
  VmRecord known = record(6, "here");
  known.desired.state = VmState::running;
  EXPECT_EQ(adopted_record("h", unseen, std::make_shared<const VmRecord>(known)).desired.state, VmState::running);
}

TEST(AdoptedRecord, WithoutEditionsTheLaterStartKnowsBetter) {
  VmRecord here = record(0, "here");
  const core::KeptVm there = kept(VmState::shutdown, record(7, "there"));
  EXPECT_FALSE(is_later(there, here));
  here.incarnation = 1;
  EXPECT_TRUE(is_later(there, here));
  here.edition = 9;
  EXPECT_FALSE(is_later(there, here));
  core::KeptVm older = there;
  older.report.keep_edition = 0;
  EXPECT_TRUE(is_later(older, here));
}

TEST(AdoptedRecord, SizesThatWereAskedForSinceTheLastStartAreKeptForTheNext) {
  VmRecord words = record(7, "web");
  words.spec = sized(800);
  const VmRecord vm = adopted_record("h", kept(VmState::shutdown, words), nullptr);
  EXPECT_EQ(vm.spec.memory_size, 800 * kMiB);
  ASSERT_TRUE(vm.resolved);
  EXPECT_EQ(vm.resolved->memory_size, 800 * kMiB);
  EXPECT_EQ(vm.resolved->config.text, R"({"machine":"frozen-1"})") << "and nothing else of its machine changes";
  EXPECT_EQ(vm.draft_since, 2) << "the next start settles it";
}

TEST(AdoptedRecord, WhatRunsIsAsItRuns) {
  // The node has carried out a resize, but was told nothing new to keep.
  const VmRecord vm = adopted_record("h",
                                     kept(VmState::running,
                                          [] {
                                            VmRecord words = record(7, "web");
                                            words.spec = sized(128);
                                            return words;
                                          }()),
                                     nullptr);
  EXPECT_EQ(vm.spec.memory_size, 256 * kMiB);
  EXPECT_EQ(vm.draft_since, 0);
}

TEST(AdoptedRecord, WordsOfAnOlderServerHaveNoSpec) {
  core::KeptVm there = kept(VmState::shutdown, record(0, "web"));
  there.keep.text = R"({"hypervisor":"fake","description":"words"})";
  const VmRecord vm = adopted_record("h", there, nullptr);
  EXPECT_EQ(vm.spec.memory_size, 256 * kMiB);
  EXPECT_EQ(vm.description, "words");
  EXPECT_EQ(vm.edition, 1);
}

TEST(AdoptedRecord, SnapshotsGetNamesOfTheirOwn) {
  core::KeptVm there = kept(VmState::shutdown, record(7, "web"));
  const std::string ready = core::new_uuid();
  const std::string creating = core::new_uuid();
  const std::string fresh = core::new_uuid();
  for (const std::string& id : {ready, creating, fresh})
    there.snapshots.push_back({id, "before", "2026-01-01T00:00:00.000Z", "fake", sized(256), sized(256), 7});
  std::vector<SnapshotPtr> known;
  for (const std::string& id : {ready, creating, core::new_uuid()}) {
    SnapshotRecord one;
    one.id = id;
    one.vm_id = there.report.vm;
    one.name = id == ready ? "before" : id;
    one.status = id == ready ? SnapshotStatus::ready : SnapshotStatus::creating;
    known.push_back(std::make_shared<const SnapshotRecord>(one));
  }
  const auto out = adopted_snapshots(there, known);
  ASSERT_EQ(out.size(), 2u) << "what is ready here already isn't touched";
  EXPECT_EQ(out[0].id, creating);
  EXPECT_EQ(out[0].name, creating);
  EXPECT_EQ(out[0].status, SnapshotStatus::ready);
  EXPECT_EQ(out[0].size, 7);
  EXPECT_EQ(out[1].id, fresh);
  EXPECT_EQ(out[1].name, "before-" + fresh.substr(0, 8));
  EXPECT_EQ(out[1].vm_id, there.report.vm);
}

}  // namespace
}  // namespace qarax::server
