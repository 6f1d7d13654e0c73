#include "launch.hpp"

#include <fcntl.h>
#include <spawn.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>

namespace qarax::agent {

Result<int> launch(const Launch& what) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::unique_ptr<posix_spawn_file_actions_t, int (*)(posix_spawn_file_actions_t*)> free_actions(
      &actions, posix_spawn_file_actions_destroy);
  for (int fd = 0; fd < 3; ++fd) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  // Copies above every target first, so that no dup2 overwrites a descriptor that a later one needs.
  int above_targets = 3;
  for (const auto& [ours, target] : what.fds) above_targets = std::max(above_targets, target + 1);
  std::vector<core::Fd> copies;
  for (const auto& [ours, target] : what.fds) {
    core::Fd copy(::fcntl(ours, F_DUPFD_CLOEXEC, above_targets));
    if (!copy)
      return core::errno_error("can't pass descriptor " + std::to_string(ours) + " to " + what.argv.at(0), errno);
    posix_spawn_file_actions_adddup2(&actions, copy.get(), target);
    copies.push_back(std::move(copy));
  }

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const std::unique_ptr<posix_spawnattr_t, int (*)(posix_spawnattr_t*)> free_attributes(&attributes,
                                                                                        posix_spawnattr_destroy);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  const int defaults = what.keeps_ignored ? 0 : POSIX_SPAWN_SETSIGDEF;
  posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | defaults));

  std::vector<char*> argv;
  argv.reserve(what.argv.size() + 1);
  for (const auto& one : what.argv) argv.push_back(const_cast<char*>(one.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> pairs;
  pairs.reserve(what.env.size());
  for (const auto& [key, value] : what.env) pairs.emplace_back(key).append("=").append(value);
  std::vector<char*> env;
  env.reserve(pairs.size() + 1);
  for (auto& pair : pairs) env.push_back(pair.data());
  env.push_back(nullptr);

  pid_t pid = 0;
  const int error = posix_spawn(&pid, what.argv.at(0).c_str(), &actions, &attributes, argv.data(), env.data());
  if (error != 0) return core::errno_error("can't start " + what.argv.at(0), error);
  return pid;
}

}  // namespace qarax::agent
