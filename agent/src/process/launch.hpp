// Starts a program from a process with many threads: posix_spawn, own session, clean signals, only the named
// descriptors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pidfd.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct Launch {
  std::vector<std::string> argv;  // argv[0]: absolute path
  std::map<std::string, std::string> env;
  std::vector<std::pair<int, int>> fds;  // (descriptor here, number in the child); 0 to 2 are /dev/null unless named
  bool keeps_ignored = false;            // the program resets ignored signals itself, which saves a call for each
};

// Returns the child's pid, which the caller has to reap. NOT_FOUND, PERMISSION_DENIED name the program.
Result<int> launch(const Launch& what);

}  // namespace qarax::agent
