#include "path_check.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "test_support.hpp"

namespace qarax::core::testing {
namespace {

TEST(PluginPath, AStickyFolderIsFineAWritableOneIsNot) {
  const TempFolder folder;  // in /tmp, which is sticky and writable by all
  std::ofstream(folder / "a.so") << "x";
  ::chmod((folder / "a.so").c_str(), 0644);
  EXPECT_TRUE(check_plugin_path(folder / "a.so", false));
  EXPECT_TRUE(check_plugin_path(folder.path(), true));
  ::chmod(folder.path().c_str(), 0702);
  const auto status = check_plugin_path(folder / "a.so", false);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, folder.path() + " can be written by others; chmod go-w it");
  ::chmod(folder.path().c_str(), 01702);
  EXPECT_TRUE(check_plugin_path(folder / "a.so", false));
}

TEST(PluginPath, GroupsOfOneAndOfMany) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file to a group";
  const TempFolder folder;
  std::ofstream(folder / "a.so") << "x";
  ::chmod((folder / "a.so").c_str(), 0664);  // root's own group, nobody else in it
  EXPECT_TRUE(check_plugin_path(folder / "a.so", false));
  ASSERT_EQ(::chown((folder / "a.so").c_str(), 0, 12345), 0);
  EXPECT_EQ(check_plugin_path(folder / "a.so", false).error().message,
            folder / "a.so" + " can be written by others; chmod go-w it");
}

TEST(PluginPath, KindsOfFiles) {
  const TempFolder folder;
  EXPECT_EQ(check_plugin_path(folder.path(), false).error().message, "it is not a regular file");
  EXPECT_EQ(check_plugin_path("/dev/null", false).error().message, "it is not a regular file");
  EXPECT_EQ(check_plugin_path("/bin/sh", true).error().message, "it is not a folder");
  EXPECT_EQ(check_plugin_path("", false).error().message,
            "its path isn't absolute; write it from / on in the node's config");
}

TEST(PluginPath, BothEndsOfALink) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "open");
  std::filesystem::create_directory(folder / "shut");
  std::ofstream(folder / "shut/a.so") << "x";
  std::filesystem::create_symlink(folder / "shut/a.so", folder / "open/a.so");
  EXPECT_TRUE(check_plugin_path(folder / "open/a.so", false));
  ::chmod((folder / "open").c_str(), 0777);  // anybody could replace the link
  EXPECT_FALSE(check_plugin_path(folder / "open/a.so", false));
}

}  // namespace
}  // namespace qarax::core::testing
