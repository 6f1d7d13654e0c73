#include "bench.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>

#include "qarax/core/files.hpp"

namespace qarax::conformance {

namespace {

// Time limit of an agent's life. Rules wait for a few seconds at most; only a call that hangs takes this long.
constexpr std::int64_t kLifeMs = 90'000;

sigset_t ending() {
  sigset_t out{};
  ::sigemptyset(&out);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&out, signal);
  return out;
}

void reap_orphans() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Runs in the agent's process and ends it.
[[noreturn]] void run_agent(const Settings& settings, const Place& place, const Bench::Body& body, Load load, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const sigset_t signals = ending();
  ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  ::setenv("TMPDIR", place.tmp().c_str(), 1);
  Status status = Ok{};
  if (::chdir(place.cwd().c_str()) != 0) status = core::errno_error("can't go to " + place.cwd(), errno);
  // Never destroyed: the plugin's threads may use it until the process ends.
  auto& agent = *new Agent(settings, place);
  if (status && load == Load::yes) status = agent.load(settings.config);
  try {
    if (status) status = body(agent);
  } catch (const std::exception& e) {
    status = broken(std::string("the rule itself failed: ") + e.what());
  }
  const std::string said = status ? "{}" : encode(status.error());
  static_cast<void>(!::write(out, said.data(), said.size()));
  ::_exit(0);
}

}  // namespace

struct Bench::Ended {
  std::string said;
  int signal = 0;
  bool hung = false;
  bool interrupted = false;
};

Bench::Bench(const Settings& settings, Place place) : settings_(settings), place_(std::move(place)) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const sigset_t signals = ending();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
}

Bench::~Bench() {
  for (auto all = descendants(::getpid()); !all.empty(); all = descendants(::getpid())) {
    for (const int pid : all) ::kill(pid, SIGKILL);
    reap_orphans();
    ::poll(nullptr, 0, 1);
  }
  reap_orphans();
  remove_place(place_);
}

Bench::Ended Bench::live(const Body& body, Load load) {
  Ended out;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return out;
  const core::Fd from(ends[0]);
  core::Fd to(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) run_agent(settings_, place_, body, load, to.get());
  to.reset();
  const sigset_t signals = ending();
  const core::Fd asked_to_end(::signalfd(-1, &signals, SFD_CLOEXEC));
  // Wait for the end of the process, not of the pipe: a process that the plugin forked may hold the pipe open.
  const core::Fd end(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const std::int64_t until = plugin::monotonic_ns() + kLifeMs * 1'000'000;
  char chunk[4096];
  for (;;) {
    const auto left = (until - plugin::monotonic_ns()) / 1'000'000;
    pollfd fds[3] = {{from.get(), POLLIN, 0}, {asked_to_end.get(), POLLIN, 0}, {end.get(), POLLIN, 0}};
    const int ready = left <= 0 ? 0 : ::poll(fds, 3, static_cast<int>(left));
    out.hung = ready == 0;
    out.interrupted = ready > 0 && fds[1].revents != 0;
    if (out.hung || out.interrupted) break;
    if ((fds[0].revents & POLLIN) != 0) {
      const ssize_t n = ::read(from.get(), chunk, sizeof chunk);
      if (n > 0) out.said.append(chunk, static_cast<std::size_t>(n));
    } else if (fds[2].revents != 0) {
      break;
    }
  }
  if (out.hung || out.interrupted) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) out.signal = WTERMSIG(status);
  return out;
}

Status Bench::told(const Ended& ended) {
  if (ended.interrupted) return skipped("interrupted");
  if (ended.hung) return broken("a call into the plugin didn't return within " + std::to_string(kLifeMs / 1000) + " s");
  if (ended.said.empty())
    return broken(ended.signal != 0
                      ? "the plugin crashed: the agent's process was killed by signal " + std::to_string(ended.signal)
                      : "the plugin ended the agent's process");
  const auto error = decode_error(ended.said);
  if (!error) return broken("the agent's process said: " + ended.said);
  if (error->message.empty()) return Ok{};
  return *error;
}

Status Bench::agent(const Body& body, Load load) { return told(live(body, load)); }

Result<bool> Bench::dying_agent(const Body& body) {
  const Ended ended = live(body, Load::yes);
  if (ended.said.empty() && ended.signal == SIGKILL && !ended.hung && !ended.interrupted) return true;
  QARAX_CHECK(told(ended));
  return false;
}

std::vector<std::string> Bench::left() const {
  std::vector<std::string> out;
  // The supervisor of a process that was just killed may still be recording its end.
  const std::int64_t until = plugin::monotonic_ns() + settings_.patience * std::int64_t{2'000'000'000};
  do {
    reap_orphans();
    for (const std::string& vm : place_.vm_ids) place_.cgroups.remove(vm);
    out = leftovers(place_, ::getpid());
    if (!out.empty()) ::poll(nullptr, 0, 10);
  } while (!out.empty() && plugin::monotonic_ns() < until);
  return out;
}

}  // namespace qarax::conformance
