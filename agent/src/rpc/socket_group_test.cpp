#include "socket_group.hpp"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

TEST(SocketGroup, AGroupThatIsntThereIsNamed) {
  const auto none = find_group("no-such-group");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("no group no-such-group; make it"), std::string::npos) << none.error().message;
}

TEST(SocketGroup, ItsMembersMayConnectAndNobodyElse) {
  const group* own = ::getgrgid(::getegid());
  if (own == nullptr) GTEST_SKIP() << "our group has no name";
  const std::string name = own->gr_name;
  const TempFolder folder;
  const std::string path = folder / "socket";
  std::ofstream(path) << "";
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
  const auto found = find_group(name);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(share_socket(path, *found));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, ::getegid());
  EXPECT_EQ(info.st_mode & 07777U, 0660U);
  EXPECT_FALSE(share_socket(folder / "none", *found));
}

}  // namespace
}  // namespace qarax::agent
