#include "qarax/core/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "qarax/core/data_dir.hpp"
#include "temp_folder.hpp"

namespace qarax::core {
namespace {

class Files : public ::testing::Test {
 protected:
  TempFolder folder_;
  const std::string dir_ = folder_.path();
};

TEST_F(Files, DurableWriteReplacesWholeAndLeavesNoTempFile) {
  const std::string path = dir_ + "/doc.json";
  ASSERT_TRUE(write_file_durably(path, "first"));
  ASSERT_TRUE(write_file_durably(path, "second"));
  EXPECT_EQ(*read_file(path), "second");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_), {}), 1);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Files, WhatIsWrittenCanBeWrittenOnWithoutBeingOpenedAgain) {
  const std::string path = dir_ + "/journal";
  Fd written;
  ASSERT_TRUE(write_file_durably(path, "first", 0600, &written));
  EXPECT_EQ(::pwrite(written.get(), ", second", 8, 5), 8);
  EXPECT_EQ(*read_file(path), "first, second");
  EXPECT_FALSE(write_file_durably(dir_ + "/missing/journal", "x", 0600, &written));
  EXPECT_TRUE(written) << "the one that still stands is left alone";
}

TEST_F(Files, AFailedWriteNamesThePathAndKeepsTheOldContent) {
  const auto written = write_file_durably(dir_ + "/missing/doc.json", "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::not_found);
  EXPECT_NE(written.error().message.find(dir_ + "/missing/doc.json"), std::string::npos);
}

TEST_F(Files, ReadRefusesWhatIsTooLarge) {
  ASSERT_TRUE(write_file_durably(dir_ + "/f", "12345"));
  EXPECT_EQ(read_file(dir_ + "/f", 4).error().code, Code::out_of_range);
  EXPECT_EQ(*read_file(dir_ + "/f", 5), "12345");
  EXPECT_EQ(read_tail(dir_ + "/f", 2), "45");
  EXPECT_EQ(read_tail(dir_ + "/none", 2), "");
  EXPECT_EQ(read_tail(open_regular(dir_ + "/f"), 2), "45");
  EXPECT_FALSE(open_regular(dir_)) << "a folder";
}

TEST_F(Files, MakeFolderMakesParentsAndRefusesAFileInTheWay) {
  ASSERT_TRUE(make_folder(dir_ + "/a/b/c"));
  ASSERT_TRUE(make_folder(dir_ + "/a/b/c"));
  ASSERT_TRUE(write_file_durably(dir_ + "/a/file", "x"));
  const auto made = make_folder(dir_ + "/a/file");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("in the way"), std::string::npos);
}

TEST_F(Files, AFolderThatOthersCanWriteOrOwnIsNotOurs) {
  const std::string folder = dir_ + "/data";
  ASSERT_TRUE(make_folder(folder));
  EXPECT_TRUE(check_own_folder(folder));
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  EXPECT_TRUE(check_own_folder(folder));
  for (const unsigned mode : {0775U, 0757U, 01777U}) {
    ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
    const auto refused = check_own_folder(folder);
    ASSERT_FALSE(refused) << mode;
    EXPECT_NE(refused.error().message.find("chmod go-w it"), std::string::npos) << refused.error().message;
    EXPECT_EQ(refused.error().message.find(folder + " belongs to user "), 0u) << refused.error().message;
  }
  ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
  if (::geteuid() != 0) return;  // only root may give a folder away
  ASSERT_EQ(::chown(folder.c_str(), 12345, 0), 0);
  const auto other = check_own_folder(folder);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, folder +
                                       " belongs to user 12345 and has mode 0700: it has to be this program's user's, "
                                       "0; chown 0 it, or set another data_dir");
}

TEST_F(Files, WhatKilledWritersLeftIsRemovedAndNothingElse) {
  for (const char* name : {"kernel.tmp123.0", "a.tmp1.77"}) ASSERT_TRUE(write_file_durably(dir_ + "/" + name, "half"));
  for (const char* name : {"kernel", "b.tmp", "c.tmp1", "d.tmpx.1", "e.tmp1.x", ".tmp1.2"})
    ASSERT_TRUE(write_file_durably(dir_ + "/" + name, "whole"));
  remove_half_written(dir_);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/kernel.tmp123.0"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/a.tmp1.77"));
  for (const char* name : {"kernel", "b.tmp", "c.tmp1", "d.tmpx.1", "e.tmp1.x", ".tmp1.2"})
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/" + name)) << name;
  remove_half_written(dir_ + "/none");
}

TEST_F(Files, MakeFolderEndsWhereNothingCanBeMade) {
  const auto made = make_folder("/proc/qarax/data");  // ENOENT, although there is a /proc
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("/proc/qarax"), std::string::npos) << made.error().message;
}

TEST_F(Files, ADataFolderThatCantBeUsedNamesTheKeyAndAWayOut) {
  EXPECT_TRUE(prepare_data_dir(dir_ + "/data"));
  const auto none = prepare_data_dir("/proc/qarax");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message,
            "data_dir: can't make folder /proc/qarax: No such file or directory; make the folder for this user, or set "
            "another data_dir");
  ASSERT_EQ(::chmod((dir_ + "/data").c_str(), 0777), 0);
  const auto open = prepare_data_dir(dir_ + "/data");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().message.find("data_dir: " + dir_ + "/data belongs to user "), 0U) << open.error().message;
}

TEST(ProcessStartTime, OfThisProcessAndOfNone) {
  EXPECT_GT(process_start_time(getpid()).value_or(0), 0);
  EXPECT_FALSE(process_start_time(0x3fffffff).has_value());
  EXPECT_EQ(process_parent(getpid()), getppid());
  EXPECT_FALSE(process_parent(0x3fffffff).has_value());
}

}  // namespace
}  // namespace qarax::core
