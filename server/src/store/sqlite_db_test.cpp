#include "sqlite_db.hpp"

#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

#include "temp_folder.hpp"

namespace qarax::server {
namespace {

using namespace Poco::Data::Keywords;

// What an acknowledgement is worth in a power cut: of the connection that everything is written through, since neither
// is the library's default.
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
