// qarax-supervisor: starts the VMM, keeps its console and its exit status, ends when none of its processes is left.
//
// This file has the order of the steps. At the start: lock, cgroup, files, fork, identity written, exec, report. Only
// then it moves itself to its cgroup and syncs the folders, so that nobody else has to wait for that. At the end: the
// last child is gone, console drained, exit record on disk, clients served, exit. The process that started the
// supervisor may die at any point in between. SIGTERM and similar signals are ignored, because ending a supervisor must
// not be a way to end a VM.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "console.h"
#include "control.h"
#include "process.h"
#include "record.h"
#include "supervisor.h"
#include "vmm_log.h"

enum {
  kOwnPriority = -10,
  kClientFlushMs = 250,
  kKillAgainMs = 50,
  kKillAgainMaxMs = 1000,
  kGroupEmptyMs = 5,
  kExitRecordTries = 50,
  kExitRecordRetryMs = 100
};

typedef struct Supervisor {
  Options options;
  Identity identity;
  Cgroup cgroup;
  Vmm vmm;
  VmmLog vmm_log;
  Console console;
  Control control;
  int signal_fd;
  int exit_record_fd;
  bool vmm_ended;   // and reaped: its pid means nothing any more
  bool childless;   // no child and no other descendant is left
  bool killing;     // kills are repeated until nothing is left
  int64_t kill_at;  // when stragglers are killed, or killed again
  int kill_again_ms;
  ExitStatus status;  // valid once vmm_ended
} Supervisor;

static void kill_everything(void* context) {
  Supervisor* self = context;
  cgroup_kill(&self->cgroup);
  kill_children();
  // A process in an uninterruptible wait may stay for long, so the interval grows instead of spinning.
  self->kill_again_ms = self->killing ? self->kill_again_ms * 2 : kKillAgainMs;
  if (self->kill_again_ms > kKillAgainMaxMs) self->kill_again_ms = kKillAgainMaxMs;
  self->killing = true;
  self->kill_at = monotonic_ms() + self->kill_again_ms;
}

static int send_signal(void* context, int number) {
  const Supervisor* self = context;
  if (self->vmm_ended) return -ESRCH;
  return kill(self->identity.vmm_pid, number) == 0 ? 0 : -errno;
}

static size_t write_status(void* context, char* out, size_t size) {
  const Supervisor* self = context;
  const Console* console = &self->console;
  int length = snprintf(
      out, size,
      "{\"format\":%d,\"min_reader\":%d,\"version\":\"%s\",\"vmm_pid\":%d,\"vmm_start_time\":%" PRIu64
      ",\"supervisor_pid\":%d,\"alive\":%s,\"console\":{\"enabled\":%s,\"connected\":%s,\"bytes\":%" PRIu64
      ",\"dropped\":%" PRIu64 ",\"log_start\":%" PRId64 ",\"log_end\":%" PRId64 ",\"reconnects\":%" PRIu64
      "},\"attached\":%d}",
      kFormat, kMinReader, QARAX_VERSION, (int)self->identity.vmm_pid, self->identity.vmm_start_time,
      (int)self->identity.supervisor_pid, self->vmm_ended ? "false" : "true", console->enabled ? "true" : "false",
      console->fd >= 0 ? "true" : "false", console->counters.bytes, console->counters.dropped, console->log.oldest,
      log_end(&console->log), console->reconnects, control_attached(&self->control));
  return (size_t)length < size ? (size_t)length : size - 1;
}

static void reap(Supervisor* self) {
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) self->childless = true;
    if (pid <= 0) return;
    if (pid != self->identity.vmm_pid || self->vmm_ended) continue;
    struct timespec boottime;
    (void)clock_gettime(CLOCK_BOOTTIME, &boottime);
    self->vmm_ended = true;
    self->console.vmm = 0;
    self->status.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    self->status.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    self->status.core = WIFSIGNALED(status) && WCOREDUMP(status);
    self->status.boottime_ns = (int64_t)boottime.tv_sec * 1000000000 + boottime.tv_nsec;
    format_now(self->status.at);
    if (!self->killing) self->kill_at = monotonic_ms() + kStragglerGraceMs;
  }
}

static bool all_gone(Supervisor* self) {
  if (!self->vmm_ended || !self->childless) return false;
  // Somebody else may have put a process into the group. It isn't a child of this process, but holds the VM's resources
  // nevertheless.
  return !cgroup_populated(&self->cgroup);
}

// The earlier of two times; -1 means none.
static int64_t sooner(int64_t a, int64_t b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

static void run(Supervisor* self) {
  enum { kSignals, kConsole, kControl, kPolled = kControl + 1 + kMaxClients };
  struct pollfd polled[kPolled];
  while (!all_gone(self)) {
    int64_t now = monotonic_ms();
    if ((self->vmm_ended || self->killing) && now >= self->kill_at) kill_everything(self);
    int64_t next = self->vmm_ended || self->killing ? self->kill_at : -1;
    // The group becomes empty a moment after its last process was reaped, without an event.
    if (self->childless && !self->killing) next = sooner(next, now + kGroupEmptyMs);
    next = sooner(next, control_tick(&self->control, now));
    next = sooner(next, vmm_log_tick(&self->vmm_log, now));
    if (!self->vmm_ended) next = sooner(next, console_tick(&self->console, now));
    polled[kSignals] = (struct pollfd){.fd = self->signal_fd, .events = POLLIN};
    polled[kConsole] = console_poll(&self->console, now);
    size_t clients = control_poll(&self->control, polled + kControl);
    int64_t wait = next < 0 ? -1 : next > now ? next - now : 0;
    if (poll(polled, kPolled, (int)wait) < 0) continue;
    console_handle(&self->console, polled[kConsole].revents, monotonic_ms());
    control_handle(&self->control, polled + kControl, clients, monotonic_ms());
    if (polled[kSignals].revents != 0) {
      struct signalfd_siginfo info;
      ssize_t ignored = read(self->signal_fd, &info, sizeof info);
      (void)ignored;
      reap(self);
      console_folder_changed(&self->console, monotonic_ms());
    }
  }
}

static void finish(Supervisor* self) {
  console_drain(&self->console);
  vmm_log_check(&self->vmm_log);
  cgroup_remove_vmm(&self->cgroup);
  int error = -1;
  for (int i = 0; i < kExitRecordTries && error != 0; ++i) {
    if (i > 0) (void)poll(NULL, 0, kExitRecordRetryMs);
    error = write_exit(self->exit_record_fd, &self->identity, &self->status, &self->console.counters);
  }
  if (error != 0) complain("qarax-supervisor: write exit.json: %s", strerror(-error));
  control_close(&self->control, kClientFlushMs);
}

// Only SIGKILL and its own faults may end the supervisor. All other signals stay blocked, which takes one call, while
// ignoring takes one for each. Signals that the starter ignored are reset here, also for the VMM, which inherits that.
static int set_up_signals(Supervisor* self, Failure* failure) {
  static const int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL) (void)signal(number, SIG_DFL);
  }
  sigset_t set;
  (void)sigfillset(&set);
  for (size_t i = 0; i < sizeof kFaults / sizeof kFaults[0]; ++i) (void)sigdelset(&set, kFaults[i]);
  (void)sigprocmask(SIG_SETMASK, &set, NULL);
  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGCHLD);
  (void)sigaddset(&set, SIGIO);  // for console.c
  self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return self->signal_fd < 0 ? fail(failure, errno, "make a signalfd") : 0;
}

static int set_up_fds(const Options* options, Failure* failure) {
  int null = open("/dev/null", O_RDWR);  // gets the lowest free number, so it fills a missing 0, 1 or 2
  while (null >= 0 && null <= STDERR_FILENO) null = dup(null);
  if (null < 0) return fail(failure, errno, "open /dev/null");
  (void)dup2(null, STDIN_FILENO);
  (void)dup2(null, STDOUT_FILENO);
  bool own = null >= kFirstPassedFd + (int)options->fd_count;
  if (!own) return fail(failure, EBADF, "--fds %zu, but descriptor %d isn't open", options->fd_count, null);
  (void)close_range((unsigned)kFirstPassedFd + (unsigned)options->fd_count, ~0U, 0);
  for (int fd = kReadyFd; fd < kFirstPassedFd + (int)options->fd_count; ++fd)
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 && fd != kReadyFd)
      return fail(failure, EBADF, "--fds %zu, but descriptor %d isn't open", options->fd_count, fd);
  return 0;
}

static int open_cgroup(Supervisor* self, Failure* failure) {
  self->cgroup = (Cgroup){.vmm_fd = -1};
  if (self->options.cgroup == NULL || cgroup_open(&self->cgroup, self->options.cgroup, failure) == 0) return 0;
  if (!self->options.cgroup_optional) return -1;
  complain("qarax-supervisor: running without a cgroup: %s: %s", failure->what, strerror(failure->error));
  return 0;
}

static int launch(Supervisor* self, Failure* failure) {
  // An agent that found neither lock nor record has promised its caller that nothing runs here.
  if (access("cancelled", F_OK) == 0) return fail(failure, ECANCELED, "start: the start was taken back");
  Identity* identity = &self->identity;
  if (vmm_fork(&self->vmm, &self->options, &self->cgroup, self->vmm_log.fd, failure) != 0) return -1;
  identity->vmm_pid = self->vmm.pid;
  self->console.vmm = self->vmm.pid;
  identity->vmm_start_time = start_time(self->vmm.pid);
  if (write_identity(identity, failure) != 0) {
    vmm_abandon(&self->vmm);
    return -1;
  }
  return vmm_release(&self->vmm, failure);
}

static int start(Supervisor* self, Failure* failure) {
  const Options* options = &self->options;
  Identity* identity = &self->identity;
  if (console_prepare(&self->console, options->console_connect, failure) != 0) return -1;
  self->console.sink = control_broadcast;
  self->console.sink_context = &self->control;
  if (chdir(options->dir) != 0) return fail(failure, errno, "enter the run folder %.300s", options->dir);
  (void)umask(077);
  (void)setsid();  // fails only if the starter has made this process a session leader already
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return fail(failure, errno, "become a subreaper");
  identity->supervisor_pid = getpid();
  identity->supervisor_start_time = start_time(identity->supervisor_pid);
  if (take_lock(identity, failure) != 0) return -1;
  if (read_boot_id(identity->boot_id, failure) != 0 || vmm_log_open(&self->vmm_log, failure) != 0) return -1;
  // From here on errors go to vmm.log, because the starter may be gone.
  (void)dup2(self->vmm_log.fd, STDERR_FILENO);
  (void)write_text(AT_FDCWD, "/proc/self/oom_score_adj", "-999");  // needs a privilege that a test may not have
  // A VMM that writes its console byte by byte has room for a few hundred bytes and drops the rest. The reader must not
  // wait for a CPU that guests keep busy.
  (void)setpriority(PRIO_PROCESS, 0, kOwnPriority);
  if (open_cgroup(self, failure) != 0) return -1;
  ControlHost host = {.context = self, .status = write_status, .kill_all = kill_everything, .send_signal = send_signal};
  self->exit_record_fd = reserve_exit_record();
  if (console_start(&self->console, options->log_max, failure) != 0 ||
      control_open(&self->control, &self->console, host, failure) != 0 || launch(self, failure) != 0) {
    remove_identity();
    (void)unlink("control.sock");
    cgroup_remove_vmm(&self->cgroup);
    return -1;
  }
  return 0;
}

// The reader may be gone; the VM runs on nevertheless.
static void report(const char* line) {
  ssize_t ignored = write(kReadyFd, line, strlen(line));
  (void)ignored;
  (void)close(kReadyFd);
}

static int report_failure(Failure* failure, int exit_code) {
  char line[600];
  for (char* at = failure->what; *at != '\0'; ++at)
    if ((unsigned char)*at < ' ') *at = '?';
  (void)snprintf(line, sizeof line, "error %d %s: %s\n", failure->error, failure->what, strerror(failure->error));
  report(line);
  complain("qarax-supervisor: %s: %s", failure->what, strerror(failure->error));
  return exit_code;
}

int main(int argc, char** argv) {
  static Supervisor self;
  Failure failure = {0};
  if (parse_options(argc, argv, &self.options, &failure) != 0) return report_failure(&failure, kExitUsage);
  if (self.options.version)
    return dprintf(STDOUT_FILENO, "qarax-supervisor %s format %d\n", QARAX_VERSION, kFormat) < 0;
  if (set_up_fds(&self.options, &failure) != 0) return report_failure(&failure, kExitUsage);
  if (set_up_signals(&self, &failure) != 0) return report_failure(&failure, kExitStartFailed);
  if (start(&self, &failure) != 0)
    return report_failure(&failure, failure.error == EWOULDBLOCK ? kExitLocked : kExitStartFailed);
  char line[160];
  (void)snprintf(line, sizeof line, "ok %d %" PRIu64 " %d %" PRIu64 "\n", (int)self.identity.vmm_pid,
                 self.identity.vmm_start_time, (int)self.identity.supervisor_pid, self.identity.supervisor_start_time);
  report(line);
  int moved = cgroup_enter_sup(&self.cgroup);
  if (moved != 0) complain("qarax-supervisor: stays in its starter's cgroup: %s", strerror(-moved));
  settle_records();
  run(&self);
  finish(&self);
  return kExitDone;
}
