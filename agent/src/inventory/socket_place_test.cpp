#include "socket_place.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>

#include "qarax/core/files.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

core::Fd listen_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  core::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  return listener;
}

std::string refusal(const std::string& path) {
  const Status cleared = clear_socket_place(path);
  return cleared ? "" : cleared.error().message;
}

TEST(SocketPlace, ASocketThatNobodyListensOnIsRemoved) {
  const TempFolder folder;
  const std::string path = folder / "node.sock";
  EXPECT_EQ(refusal(path), "") << "there is none";
  listen_on(path).reset();
  ASSERT_TRUE(std::filesystem::is_socket(path));
  EXPECT_EQ(refusal(path), "");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(SocketPlace, AnothersSocketStays) {
  const TempFolder folder;
  const std::string path = folder / "node.sock";
  const core::Fd listener = listen_on(path);
  const std::string expected = "listen.unix_socket: another process listens on " + path +
                               "; end it first, or give this agent a listen.unix_socket of its own";
  // Nobody accepts, so in the end the listener's backlog is full, as that of an agent that is stopped.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(refusal(path), expected);
  EXPECT_TRUE(std::filesystem::is_socket(path));
}

TEST(SocketPlace, WhatIsNoSocketStays) {
  const TempFolder folder;
  const std::string path = folder / "node.sock";
  std::ofstream(path) << "dear";
  EXPECT_NE(refusal(path).find(path + " is there and is no socket"), std::string::npos) << refusal(path);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(SocketPlace, AFolderThatCannotBeUsedIsNamed) {
  const TempFolder folder;
  EXPECT_EQ(refusal(folder / "none/node.sock"),
            "listen.unix_socket: the folder " + (folder / "none") +
                " can't be used: No such file or directory; make it, writable for this user, or set another path");
  std::ofstream(folder / "file") << "";
  EXPECT_NE(refusal(folder / "file/node.sock").find("Not a directory"), std::string::npos);
}

}  // namespace
}  // namespace qarax::agent
