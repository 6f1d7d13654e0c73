#include "first_run.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "unix_socket.hpp"

namespace qarax::qemu {

namespace {
std::string file_of(const std::string& run_dir) { return run_dir + "/guest-ran"; }
}  // namespace

Status note_first_run(const std::string& run_dir) {
  const plugin::Socket file(::open(file_of(run_dir).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() >= 0) return Ok{};
  return make_error(Code::internal, "can't make " + file_of(run_dir) + ": " + std::generic_category().message(errno));
}

void forget_first_run(const std::string& run_dir) { ::unlink(file_of(run_dir).c_str()); }

std::string meant_by(std::string said, const std::string& run_dir) {
  if (said == "prelaunch" && ::access(file_of(run_dir).c_str(), F_OK) == 0) return "paused";
  return said;
}

}  // namespace qarax::qemu
