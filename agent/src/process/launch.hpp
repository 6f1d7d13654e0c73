// Starting a program from a process with many threads: posix_spawn, own session, clean signals, exactly the named fds.
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
  std::vector<std::pair<int, int>> fds;  // (ours, its number there); 0 to 2 are /dev/null unless named
  bool keeps_ignored = false;            // it puts the signals that we ignore right itself: a call less for each
};

// The child's pid; it is ours to reap. NOT_FOUND, PERMISSION_DENIED name the program.
Result<int> launch(const Launch& what);

}  // namespace qarax::agent
