#include "ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class LedgerTest : public ::testing::Test {
 protected:
  std::vector<LedgerEntry> owned() const {
    auto all = Ledger(dir_).owned();
    EXPECT_TRUE(all);
    return all ? *all : std::vector<LedgerEntry>{};
  }
  void append(const std::string& text) const { std::ofstream(dir_ + "/ledger", std::ios::app) << text; }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
};

using Entries = std::vector<LedgerEntry>;

TEST_F(LedgerTest, WhatWasNeverClaimedIsNotOwned) { EXPECT_EQ(owned(), Entries{}); }

TEST_F(LedgerTest, AClaimIsThereForTheNextAgentUntilItIsReleased) {
  ASSERT_TRUE(Ledger(dir_).claim({{"tap", "qt0"}, {"disk", "/pool/a b.img"}}));
  EXPECT_EQ(owned(), (Entries{{"tap", "qt0"}, {"disk", "/pool/a b.img"}}));
  ASSERT_TRUE(Ledger(dir_).release({{"tap", "qt0"}}));
  EXPECT_EQ(owned(), (Entries{{"disk", "/pool/a b.img"}}));
}

TEST_F(LedgerTest, OfEarlierRunsItKeepsNothing) {
  ASSERT_TRUE(Ledger(dir_).claim({{"file", "/elsewhere/not/made/yet"}}));
  const std::string run = dir_ + "/run/5000";
  std::filesystem::create_directories(run);
  for (int i = 1; i <= 5000; ++i) {
    ASSERT_TRUE(Ledger(dir_).claim({{"process", dir_ + "/run/" + std::to_string(i)}, {"tap", "qt0"}}));
    ASSERT_TRUE(Ledger(dir_).release({{"tap", "qt0"}}));
  }
  EXPECT_LT(std::filesystem::file_size(dir_ + "/ledger"), 2 * Ledger::kCompactFrom);
  const auto left = owned();
  const auto has = [&](const LedgerEntry& entry) { return std::find(left.begin(), left.end(), entry) != left.end(); };
  EXPECT_TRUE(has({"file", "/elsewhere/not/made/yet"}));
  EXPECT_TRUE(has({"process", run}));
  EXPECT_FALSE(has({"tap", "qt0"}));
}

// At any time one of the threads is about to rewrite the file.
TEST_F(LedgerTest, WhoWaitsForOneThatIsReplacedLosesNothing) {
  std::vector<std::thread> threads;
  for (int who = 0; who < 4; ++who)
    threads.emplace_back([&, who] {
      for (int i = 0; i < 400; ++i) {
        const std::string name = "of-" + std::to_string(who) + std::string(200, '-') + std::to_string(i);
        EXPECT_TRUE(Ledger(dir_).claim({{"tap", name}}));
        if (i % 20 == 0) continue;
        EXPECT_TRUE(Ledger(dir_).release({{"tap", name}}));
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(owned().size(), 4u * 20u);
}

TEST_F(LedgerTest, ClaimedTwiceIsOwnedOnceAndReleasedOnce) {
  ASSERT_TRUE(Ledger(dir_).claim({{"tap", "qt0"}}));
  ASSERT_TRUE(Ledger(dir_).claim({{"tap", "qt0"}}));
  EXPECT_EQ(owned().size(), 1u);
  ASSERT_TRUE(Ledger(dir_).release({{"tap", "qt0"}}));
  EXPECT_EQ(owned(), Entries{});
  ASSERT_TRUE(Ledger(dir_).release({{"tap", "qt0"}})) << "what isn't owned may be released";
}

TEST_F(LedgerTest, ALineThatACrashCutOffCountsAsAbsent) {
  ASSERT_TRUE(Ledger(dir_).claim({{"tap", "qt0"}}));
  append("+\ttap\tqt1");
  EXPECT_EQ(owned(), (Entries{{"tap", "qt0"}}));
}

TEST_F(LedgerTest, WhatIsLeftOfALineDoesntSpoilTheNext) {
  ASSERT_TRUE(Ledger(dir_).claim({{"tap", "qt0"}}));
  append("+\tdisk\t/srv/a");
  ASSERT_TRUE(Ledger(dir_).claim({{"disk", "/srv/b"}}));
  EXPECT_EQ(owned(), (Entries{{"tap", "qt0"}, {"disk", "/srv/b"}}));
  std::ofstream(dir_ + "/ledger") << "+\tdis";  // a line that was cut off
  ASSERT_TRUE(Ledger(dir_).claim({{"disk", "/srv/c"}}));
  EXPECT_EQ(owned(), (Entries{{"disk", "/srv/c"}}));
}

TEST_F(LedgerTest, TwoAtOnceLoseNothing) {
  for (int round = 0; round < 100; ++round) {
    std::ofstream(dir_ + "/ledger") << "+\tdis";
    std::thread other([&] { EXPECT_TRUE(Ledger(dir_).claim({{"disk", "/srv/a"}})); });
    EXPECT_TRUE(Ledger(dir_).claim({{"disk", "/srv/b"}}));
    other.join();
    EXPECT_EQ(owned().size(), 2u);
  }
}

TEST_F(LedgerTest, WhatIsNoEntryIsPassedOver) {
  append("\n+\n?\ttap\tqt9\n+tap\n+\ttap\tqt0\n");
  EXPECT_EQ(owned(), (Entries{{"tap", "qt0"}}));
}

TEST_F(LedgerTest, WhatWouldBreakALineIsRefusedAndNothingWritten) {
  for (const LedgerEntry& bad : Entries{{"", "x"}, {"t\tap", "x"}, {"tap", "a\nb"}})
    EXPECT_EQ(Ledger(dir_).claim({{"tap", "good"}, bad}).error().code, Code::invalid_argument);
  EXPECT_EQ(owned(), Entries{});
}

TEST_F(LedgerTest, AVmWithoutAFolderCanOwnNothing) {
  Ledger nowhere(dir_ + "/missing");
  EXPECT_EQ(nowhere.claim({{"tap", "qt0"}}).error().code, Code::not_found);
}

}  // namespace
}  // namespace qarax::agent
