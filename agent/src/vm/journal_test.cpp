#include "journal.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class JournalTest : public ::testing::Test {
 protected:
  static JournalRecord record(RecordKind kind, std::int64_t revision) {
    JournalRecord out;
    out.kind = kind;
    out.revision = revision;
    out.step = 1;
    out.action = "start";
    out.incarnation = revision;
    return out;
  }
  // Writes three records. `ends` gets the offset at which each ends.
  std::string three(std::vector<std::int64_t>& ends) {
    auto journal = Journal::open(path_, After::agent);
    EXPECT_TRUE(journal);
    for (std::int64_t i = 1; i <= 3; ++i) {
      EXPECT_TRUE(journal->append(record(i % 2 == 0 ? RecordKind::result : RecordKind::intent, i), Outlives::host));
      ends.push_back(journal->size());
    }
    return *core::read_file(path_);
  }
  TempFolder folder_;
  const std::string path_ = folder_ / "journal";
};

TEST_F(JournalTest, WhatWasAppendedIsThereAfterAnOpen) {
  std::vector<std::int64_t> ends;
  three(ends);
  const auto again = Journal::open(path_, After::agent);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->records().size(), 3u);
  EXPECT_EQ(again->records()[2].revision, 3);
  EXPECT_EQ(again->records()[1].kind, RecordKind::result);
}

TEST_F(JournalTest, TheHighestRevisionIsReadAroundTheDamage) {
  std::vector<std::int64_t> ends;
  const std::string whole = three(ends);
  EXPECT_EQ(highest_revision_in(path_), 3);
  std::string damaged = whole;
  damaged[static_cast<std::size_t>(ends[0]) + 8] = '!';
  ASSERT_TRUE(core::write_file_durably(path_, damaged));
  EXPECT_FALSE(Journal::open(path_, After::agent));
  EXPECT_EQ(highest_revision_in(path_), 3) << "behind it, too";
  damaged[static_cast<std::size_t>(ends[0]) + 3] = '!';  // a length that leads nowhere
  ASSERT_TRUE(core::write_file_durably(path_, damaged));
  EXPECT_EQ(highest_revision_in(path_), 3) << "behind such a length, too";
  damaged = whole;
  damaged[3] = '!';
  ASSERT_TRUE(core::write_file_durably(path_, damaged));
  EXPECT_EQ(highest_revision_in(path_), 3) << "the first record's length says nothing of the others";
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    ASSERT_TRUE(core::write_file_durably(path_, std::string_view(whole).substr(0, cut)));
    EXPECT_LE(highest_revision_in(path_), 3);
  }
  EXPECT_EQ(highest_revision_in(path_ + "-none"), 0);
  EXPECT_EQ(highest_revision_in(folder_.path()), 0);
}

TEST_F(JournalTest, ATornTailIsDroppedWhereverItWasCut) {
  std::vector<std::int64_t> ends;
  const std::string whole = three(ends);
  for (std::int64_t cut = 0; cut <= ends[2]; ++cut) {
    ASSERT_TRUE(core::write_file_durably(path_, std::string_view(whole).substr(0, static_cast<std::size_t>(cut))));
    auto journal = Journal::open(path_, After::agent);
    ASSERT_TRUE(journal) << cut << ": " << journal.error().message;
    std::size_t complete = 0;
    for (const std::int64_t end : ends) complete += end <= cut ? 1 : 0;
    EXPECT_EQ(journal->records().size(), complete) << cut;
    // A journal with a dropped tail can be appended to.
    ASSERT_TRUE(journal->append(record(RecordKind::exit, 9), Outlives::host));
    EXPECT_EQ(Journal::open(path_, After::agent)->records().back().revision, 9) << cut;
  }
}

TEST_F(JournalTest, ARecordThatCouldNotBeWrittenLeavesNothing) {
  std::vector<std::int64_t> ends;
  const std::string whole = three(ends);
  auto journal = Journal::open(path_, After::agent);
  ASSERT_TRUE(journal);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = whole.size() + 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const Status written = journal->append(record(RecordKind::exit, 4), Outlives::agent);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  EXPECT_FALSE(written);
  EXPECT_EQ(*core::read_file(path_), whole + std::string(20, '\0'));
  EXPECT_EQ(Journal::open(path_, After::agent)->records().size(), 3u);
  EXPECT_TRUE(journal->append(record(RecordKind::exit, 5), Outlives::agent));
  EXPECT_EQ(Journal::open(path_, After::agent)->records().back().revision, 5);
}

TEST_F(JournalTest, ARecordThatCouldNotBeReadBackIsRefused) {
  auto journal = Journal::open(path_, After::agent);
  ASSERT_TRUE(journal);
  JournalRecord large = record(RecordKind::result, 1);
  large.status.text = "\"" + std::string(4u << 20, 'x') + "\"";
  EXPECT_EQ(journal->append(large, Outlives::agent).error().code, Code::resource_exhausted);
  large.status.text = "\"" + std::string(4000u << 10, 'x') + "\"";
  ASSERT_TRUE(journal->append(large, Outlives::agent));
  EXPECT_EQ(Journal::open(path_, After::agent)->records().size(), 1u);
}

TEST_F(JournalTest, ADamagedRecordBeforeOthersIsAnErrorAndNothingIsForgotten) {
  std::vector<std::int64_t> ends;
  const std::string whole = three(ends);
  // Damages every byte of the first two records, headers included. A wrong length points beyond the file's end, exactly
  // to it, into a later record, or is invalid.
  for (std::size_t at = 0; at < static_cast<std::size_t>(ends[1]); ++at) {
    for (const int flipped : {0x01, 0x20, 0x80, 0xFF, static_cast<int>(static_cast<unsigned char>(whole[at]))}) {
      if (flipped == 0) continue;
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flipped);
      std::ofstream(path_, std::ios::binary) << damaged;
      const auto journal = Journal::open(path_, After::agent);
      ASSERT_FALSE(journal) << at << " ^ " << flipped;
      EXPECT_EQ(journal.error().code, Code::data_loss);
      EXPECT_EQ(*core::read_file(path_), damaged) << "an unreadable journal is left as it is";
    }
  }
}

TEST_F(JournalTest, ALengthThatLeadsToTheEndHidesNoRecord) {
  std::vector<std::int64_t> ends;
  std::string damaged = three(ends);
  const auto all = static_cast<std::uint32_t>(ends[2] - ends[0] - 8);
  std::memcpy(damaged.data() + ends[0], &all, sizeof all);
  ASSERT_TRUE(core::write_file_durably(path_, damaged));
  const auto journal = Journal::open(path_, After::agent);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, Code::data_loss);
}

TEST_F(JournalTest, AfterALossOfPowerWhatIsTornEndsTheJournal) {
  std::vector<std::int64_t> ends;
  std::string torn = three(ends);
  torn[static_cast<std::size_t>(ends[0]) + 9] ^= 0x20;
  ASSERT_TRUE(core::write_file_durably(path_, torn));
  const auto journal = Journal::open(path_, After::host);
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ(journal->records().size(), 1u);
  EXPECT_EQ(journal->size(), ends[0]);
}

TEST_F(JournalTest, CompactionKeepsWhatARestartNeeds) {
  auto journal = Journal::open(path_, After::agent);
  ASSERT_TRUE(journal);
  for (std::int64_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(journal->append(record(RecordKind::intent, i), Outlives::host));
    ASSERT_TRUE(journal->append(record(RecordKind::result, i), Outlives::host));
  }
  const std::int64_t before = journal->size();
  ASSERT_TRUE(journal->compact());
  EXPECT_LT(journal->size(), before / 10);
  ASSERT_TRUE(journal->append(record(RecordKind::intent, 51), Outlives::host));
  const auto again = Journal::open(path_, After::agent);
  ASSERT_TRUE(again);
  ASSERT_EQ(again->records().size(), 3u);
  EXPECT_EQ(again->records()[0].kind, RecordKind::intent);
  EXPECT_EQ(again->records()[0].revision, 50);
  EXPECT_EQ(again->records()[1].kind, RecordKind::result);
  EXPECT_EQ(again->records()[2].revision, 51);
}

// The reserved room is for records that end the VM: after any number of pauses on a full disk a stop still fits.
TEST_F(JournalTest, PausesLeaveTheRoomThatAStopNeedsOnAFullDisk) {
  const std::string disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("qarax-test", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "a disk of its own wants root: " << std::strerror(errno);
  {
    auto journal = Journal::open(disk + "/journal", After::agent);
    ASSERT_TRUE(journal) << journal.error().message;
    std::ofstream(disk + "/filler") << std::string(1 << 20, 'x');
    JournalRecord pause = record(RecordKind::intent, 1);
    pause.action = "pause";
    int taken = 0;
    Status last = Ok{};
    while (taken < 1000 && (last = journal->append(pause, Outlives::agent))) ++taken;
    EXPECT_GT(taken, 0);
    ASSERT_FALSE(last) << "the disk is full";
    EXPECT_EQ(last.error().reason, "disk-full") << last.error().message;
    JournalRecord result = pause;
    result.kind = RecordKind::result;
    EXPECT_TRUE(journal->append(result, Outlives::agent)) << "of the last one that was admitted";
    EXPECT_FALSE(journal->append(result, Outlives::agent)) << "and no other";
    JournalRecord stop = pause;
    stop.action = "stop";
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(journal->append(stop, Outlives::host));
  }
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST(Crc32, IsTheStandardOne) { EXPECT_EQ(crc32("123456789"), 0xCBF43926u); }

}  // namespace
}  // namespace qarax::agent
