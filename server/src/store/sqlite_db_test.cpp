#include "sqlite_db.hpp"

#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace qarax::server
