#include "path_check.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

namespace qarax::core {
namespace {

Error refuse(std::string why) { return make_error(Code::failed_precondition, std::move(why), "plugin-path"); }

// True for a user's private group, such as Debian makes for each user: with umask 002 all of the user's files are
// writable by it.
bool private_group(gid_t group, uid_t owner) {
  constexpr std::size_t kRoom = 64u << 10;  // bytes; a group with too many members for it isn't a private one
  passwd user{};
  ::group entry{};
  passwd* user_found = nullptr;
  ::group* group_found = nullptr;
  std::vector<char> user_room(kRoom);
  std::vector<char> group_room(kRoom);
  ::getpwuid_r(owner, &user, user_room.data(), user_room.size(), &user_found);
  if (user_found == nullptr || user.pw_gid != group) return false;
  ::getgrgid_r(group, &entry, group_room.data(), group_room.size(), &group_found);
  const std::string_view name = user.pw_name;
  if (group_found == nullptr || name != entry.gr_name) return false;
  for (char** member = entry.gr_mem; *member != nullptr; ++member)
    if (name != *member) return false;
  return true;
}

// `what`: the path itself or a folder above it.
Status check_component(const std::filesystem::path& what) {
  struct stat info {};
  if (::lstat(what.c_str(), &info) != 0) return refuse(what.string() + ": " + std::strerror(errno));
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return refuse(what.string() + " belongs to user " + std::to_string(info.st_uid) +
                  ", not to root or to the node's user " + std::to_string(::geteuid()) + "; chown it");
  if (S_ISLNK(info.st_mode)) return Ok{};  // a link has no permissions of its own; its target is checked too
  const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
  const bool group = (info.st_mode & S_IWGRP) != 0 && !private_group(info.st_gid, info.st_uid);
  if ((group || (info.st_mode & S_IWOTH) != 0) && !sticky)
    return refuse(what.string() + " can be written by others; chmod go-w it");
  return Ok{};
}

Status check_all(const std::filesystem::path& path) {
  std::filesystem::path prefix;
  for (const auto& part : path) {
    prefix /= part;
    if (part.empty()) continue;  // a slash at the end
    QARAX_CHECK(check_component(prefix));
  }
  return Ok{};
}

}  // namespace

Status check_plugin_path(const std::string& path, bool folder) {
  if (path.empty() || path.front() != '/')
    return refuse("its path isn't absolute; write it from / on in the node's config");
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return refuse(std::string(std::strerror(errno)) + "; correct the node's config");
  if (folder && !S_ISDIR(info.st_mode)) return refuse("it is not a folder");
  if (!folder && !S_ISREG(info.st_mode)) return refuse("it is not a regular file");
  QARAX_CHECK(check_all(path));
  std::error_code ec;
  const auto real = std::filesystem::canonical(path, ec);
  if (ec) return refuse(ec.message());
  return check_all(real);
}

}  // namespace qarax::core
