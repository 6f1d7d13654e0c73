#include "first_run.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "unix_socket.hpp"

namespace qarax::qemu {

namespace {
std::string file_of(const std::string& run_dir) { return run_dir + "/guest-ran"; }
}  // namespace

void note_first_run(const std::string& run_dir) {
  const plugin::Socket file(::open(file_of(run_dir).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
}

void forget_first_run(const std::string& run_dir) { ::unlink(file_of(run_dir).c_str()); }

std::string meant_by(std::string said, const std::string& run_dir) {
  if (said == "prelaunch" && ::access(file_of(run_dir).c_str(), F_OK) == 0) return "paused";
  return said;
}

}  // namespace qarax::qemu
