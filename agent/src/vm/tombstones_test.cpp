#include "tombstones.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "qarax/core/files.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class TombstonesTest : public ::testing::Test {
 protected:
  void bury(const Tombstones& stones, const std::string& vm, std::int64_t written_at) {
    ASSERT_TRUE(stones.write({vm, 7, 1}));
    const timespec times[2]{{written_at, 0}, {written_at, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (folder_ / (vm + ".json")).c_str(), times, 0), 0);
  }
  TempFolder folder_;
};

TEST_F(TombstonesTest, TheOldestGoAndTheLatestStay) {
  {
    Tombstones stones(folder_.path(), 20);
    for (int i = 0; i < 20; ++i)
      bury(stones, "vm-" + std::to_string(i), 1'000'000 - i);  // the later written, the older its time
  }
  Tombstones stones(folder_.path(), 20);
  // From here on the clock is far behind those times.
  for (const char* late : {"late-1", "late-2", "late-3"}) {
    EXPECT_TRUE(stones.read("vm-19")) << "a tenth too many may be there";
    bury(stones, late, 5);
    stones.one_more(late);
  }
  for (const char* old : {"vm-17", "vm-18", "vm-19"}) EXPECT_EQ(stones.read(old).error().code, Code::not_found) << old;
  for (const char* kept : {"vm-0", "vm-16", "late-1", "late-2", "late-3"}) EXPECT_TRUE(stones.read(kept)) << kept;
}

TEST_F(TombstonesTest, OfItsOwnTheFirstGo) {
  Tombstones stones(folder_.path(), 20);
  for (int i = 0; i < 30; ++i) {
    bury(stones, "vm-" + std::to_string(i), 5);
    stones.one_more("vm-" + std::to_string(i));
  }
  for (const char* old : {"vm-0", "vm-6"}) EXPECT_EQ(stones.read(old).error().code, Code::not_found) << old;
  for (const char* kept : {"vm-10", "vm-29"}) EXPECT_TRUE(stones.read(kept)) << kept;
}

TEST_F(TombstonesTest, AsManyAsMayBeStay) {
  Tombstones stones(folder_.path(), 3);
  for (int i = 0; i < 3; ++i) bury(stones, "vm-" + std::to_string(i), i);
  stones.remove_oldest();
  for (const char* kept : {"vm-0", "vm-1", "vm-2"}) EXPECT_TRUE(stones.read(kept)) << kept;
}

}  // namespace
}  // namespace qarax::agent
