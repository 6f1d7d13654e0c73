#include "run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "launch.hpp"
#include "qarax/core/files.hpp"
#include "qarax/plugin/json.hpp"

namespace qarax::agent {

namespace {
constexpr const char* kSetpriv = "/usr/bin/setpriv";  // util-linux, which every Debian has
constexpr std::int64_t kReapMs = 5'000;               // the longest wait for the end after SIGKILL

// Waits for a child after SIGKILL and reaps it. False: it hasn't ended in time, because it is in an uninterruptible
// system call. `pidfd` may be empty.
bool reap_killed(int pid, const core::Fd& pidfd, siginfo_t& info) {
  const std::int64_t until = CallLimits{}.within_ms(kReapMs).deadline_ns;
  for (;;) {
    info = {};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) == 0 && info.si_pid == pid) return true;
    const std::int64_t left_ms = (until - plugin::monotonic_ns()) / 1'000'000;
    if (left_ms <= 0) return false;
    pollfd ended{pidfd.get(), POLLIN, 0};  // if `pidfd` is empty, poll() only waits before the next waitid()
    ::poll(&ended, 1, pidfd ? static_cast<int>(left_ms) : 1);
  }
}

// Looks for words in output that comes in pieces, also where none of it is kept.
class WordWatch {
 public:
  explicit WordWatch(std::string words) : words_(std::move(words)) {}
  bool sees(std::string_view piece) {
    if (words_.empty()) return false;
    seen_.append(piece);
    if (seen_.find(words_) != std::string::npos) return true;
    if (seen_.size() >= words_.size()) seen_.erase(0, seen_.size() - (words_.size() - 1));
    return false;
  }

 private:
  const std::string words_;
  std::string seen_;  // the end of the output that a later piece may complete to the words
};

}  // namespace

Result<RunResult> run_program(const RunArgs& args, const CallLimits& limits,
                              const std::function<void(const ProcessId&)>& reap_later) {
  if (args.argv.empty() || args.argv.front().empty() || args.argv.front().front() != '/')
    return make_error(Code::invalid_argument, "run needs an absolute program path in argv[0]");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return core::errno_error("can't make a pipe", errno);
  const core::Fd output(ends[0]);
  core::Fd write_end(ends[1]);
  Launch what{args.argv, args.env, {{write_end.get(), 1}, {write_end.get(), 2}}};
  // It has no supervisor and no record, so it must end with the thread that waits for it, also at the agent's kill -9.
  if (::access(kSetpriv, X_OK) == 0) what.argv.insert(what.argv.begin(), {kSetpriv, "--pdeathsig", "KILL"});
  QARAX_TRY(const int pid, launch(what));
  write_end.reset();
  // Until the program is reaped, no other process can get its pid.
  const core::Fd pidfd = open_pidfd_of(pid);
  Status waited = Ok{};
  if (!pidfd) waited = core::errno_error(args.argv.front() + " can't be waited for", errno);

  RunResult result;
  WordWatch until(args.until);
  char buffer[4096];
  while (waited) {
    waited = limits.await(output.get(), args.argv.front());
    if (!waited) break;
    const ssize_t n = ::read(output.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const auto room = static_cast<std::size_t>(args.max_output) -
                      std::min(static_cast<std::size_t>(args.max_output), result.output.size());
    result.output.append(buffer, std::min(room, static_cast<std::size_t>(n)));
    if (until.sees({buffer, static_cast<std::size_t>(n)})) {
      result.matched = true;
      break;
    }
  }
  if (waited && !result.matched) waited = limits.await(pidfd.get(), args.argv.front());
  // Kill its whole session, even if it ended by itself, because it may have forked.
  ::kill(-pid, SIGKILL);
  siginfo_t info{};
  if (!reap_killed(pid, pidfd, info)) {
    if (reap_later) reap_later({pid, core::process_start_time(pid).value_or(0)});
    return make_error(Code::deadline_exceeded, args.argv.front() + " can't be killed");
  }
  if (!pidfd) return std::move(waited).error();
  result.exit.kind = info.si_code == CLD_EXITED ? ExitKind::exited : ExitKind::signaled;
  (info.si_code == CLD_EXITED ? result.exit.code : result.exit.signal) = info.si_status;
  result.output = json::repair_utf8(result.output);
  if (!waited && waited.error().code == Code::cancelled) return std::move(waited).error();
  result.timed_out = !waited;
  return result;
}

}  // namespace qarax::agent
