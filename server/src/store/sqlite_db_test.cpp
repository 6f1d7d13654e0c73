#include "sqlite_db.hpp"

#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temp_folder.hpp"

namespace qarax::server {
namespace {

using namespace Poco::Data::Keywords;

// What makes an acknowledged change survive a power cut. Checked on the connection that all writes use, since neither
// setting is the library's default.
TEST(SqliteDb, ACommitIsOnDiskWhenItIsAnswered) {
  const TempFolder folder;
  const auto db = SqliteDb::open(folder / "qarax.db");
  ASSERT_TRUE(db) << db.error().message;
  int synchronous = 0;
  std::string journal;
  (*db)->session() << "PRAGMA synchronous", into(synchronous), now;
  (*db)->session() << "PRAGMA journal_mode", into(journal), now;
  EXPECT_EQ(synchronous, 2) << "FULL: with a write-ahead log NORMAL doesn't sync at a commit";
  EXPECT_EQ(journal, "wal");
}

TEST(SqliteDb, WhatCantBeOpenedNamesTheKeysAndAWayOut) {
  const TempFolder folder;
  const auto refusal = [](const std::string& path) {
    const auto db = SqliteDb::open(path);
    return db ? "opened" : db.error().message;
  };
  const std::string file = folder / "file";
  std::ofstream(file) << std::string(8192, 'x');
  const std::string keys = " with database (or DATABASE_URL, or the folder with data_dir)";
  EXPECT_EQ(refusal(file + "/qarax.db"), "the database's folder: " + file +
                                             " is in the way: it isn't a folder; make the folder for this user, or "
                                             "name another file" +
                                             keys);
  EXPECT_EQ(refusal("/proc/qarax.db"),
            "the database's folder /proc can't be written: No such file or directory; make it writable for this user, "
            "or name another file" +
                keys);
  const std::string damaged = refusal(file);
  EXPECT_EQ(damaged.find("the database " + file + " can't be opened: "), 0U) << damaged;
  EXPECT_NE(damaged.find("restore a backup of it, or name another file" + keys), std::string::npos) << damaged;
}

}  // namespace
}  // namespace qarax::server
