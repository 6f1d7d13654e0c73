#include "ledger_kind.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

namespace fs = std::filesystem;

TEST(LedgerKind, EachIsFoundByItsOwnNameAndNoOther) {
  for (const LedgerKind& kind : ledger_kinds()) EXPECT_EQ(ledger_kind(kind.name), &kind) << kind.name;
  EXPECT_EQ(known_kinds(), "process, cgroup, socket, file, tap, mount, volume");
  for (const char* name : {"", "folder", "disk", "File", "files"}) EXPECT_EQ(ledger_kind(name), nullptr) << name;
}

TEST(LedgerKind, WhatALossOfPowerLeavesBehindIsFilesAndVolumes) {
  for (const LedgerKind& kind : ledger_kinds())
    EXPECT_EQ(kind.outlives_host, kind.name == "file" || kind.name == "volume") << kind.name;
}

// What is neither searched for nor asked about stays listed until somebody removes it by hand.
TEST(LedgerKind, WhatIsSearchedForIsNotAskedAboutByName) {
  for (const LedgerKind& kind : ledger_kinds()) {
    EXPECT_EQ(kind.found_by_search, kind.name == "process" || kind.name == "cgroup") << kind.name;
    EXPECT_FALSE(kind.found_by_search && kind.is_there != nullptr) << kind.name;
    EXPECT_FALSE(kind.remove != nullptr && kind.is_there == nullptr) << kind.name;
  }
}

TEST(LedgerKind, FilesAndSocketsAreRemovedOnceAndTheirEndIsSeen) {
  const TempFolder folder;
  const std::string path = folder.path() + "/thing";
  for (const char* name : {"file", "socket"}) {
    const LedgerKind& kind = *ledger_kind(name);
    EXPECT_FALSE(kind.is_there(path)) << name;
    std::ofstream(path) << "x";
    EXPECT_TRUE(kind.is_there(path)) << name;
    EXPECT_TRUE(kind.remove(path)) << name;
    EXPECT_FALSE(fs::exists(path)) << name;
    EXPECT_TRUE(kind.remove(path)) << name << ": it is gone already";
    fs::create_symlink(folder.path() + "/nowhere", path);
    EXPECT_TRUE(kind.is_there(path)) << name << ": a link that leads nowhere is there";
    EXPECT_TRUE(kind.remove(path)) << name;
    const auto refused = kind.remove(folder.path());
    ASSERT_FALSE(refused) << name << ": a folder isn't a file";
    EXPECT_NE(refused.error().message.find(folder.path()), std::string::npos) << refused.error().message;
  }
}

TEST(LedgerKind, DevicesAndMountsAreSeen) {
  EXPECT_TRUE(ledger_kind("tap")->is_there("lo"));
  EXPECT_FALSE(ledger_kind("tap")->is_there("no-such-device"));
  EXPECT_TRUE(ledger_kind("mount")->is_there("/proc"));
  EXPECT_FALSE(ledger_kind("mount")->is_there("/no such mount"));
}

}  // namespace
}  // namespace qarax::agent
