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

Result<std::string> ask_state(const plugin::Call& call, QmpClient& qmp, const std::string& run_dir) {
  QARAX_TRY(std::string said, qmp.query_status(call));
  if (said == "prelaunch" && ::access(file_of(run_dir).c_str(), F_OK) == 0) return std::string("paused");
  return said;
}

}  // namespace qarax::qemu
