// Fork, prepare, exec, kill (contract: process.h).
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The supervisor has all signals blocked, with their default actions.
static void unblock_signals(void) {
  sigset_t none;
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_target(const Options* options, int fd) {
  for (size_t i = 0; i < options->fd_count; ++i)
    if (options->fd_targets[i] == fd) return true;
  return false;
}

// A target number may be in use by a descriptor that isn't moved yet, so all are moved above every such number first.
static int place_fds(const Options* options, int* go_fd, int* status_fd, Failure* failure) {
  int top = kFirstPassedFd + (int)options->fd_count;
  for (size_t i = 0; i < options->fd_count; ++i)
    if (options->fd_targets[i] >= top) top = options->fd_targets[i] + 1;
  int moved[kMaxFds];
  int high_status = fcntl(*status_fd, F_DUPFD_CLOEXEC, top);
  int high_go = fcntl(*go_fd, F_DUPFD_CLOEXEC, top);
  if (high_status < 0 || high_go < 0) return fail(failure, errno, "move the start pipes above %d", top);
  *status_fd = high_status;
  *go_fd = high_go;
  for (size_t i = 0; i < options->fd_count; ++i) {
    moved[i] = fcntl(kFirstPassedFd + (int)i, F_DUPFD_CLOEXEC, top);
    if (moved[i] < 0) return fail(failure, errno, "move passed descriptor %zu above %d", i, top);
  }
  for (size_t i = 0; i < options->fd_count; ++i)
    if (dup2(moved[i], options->fd_targets[i]) < 0)
      return fail(failure, errno, "place passed descriptor %zu at %d", i, options->fd_targets[i]);
  for (int fd = 3; fd < top; ++fd)
    if (!is_target(options, fd)) (void)close(fd);
  // All descriptors above are close-on-exec already; this covers a forgotten one. Needs Linux 5.11.
  (void)close_range((unsigned)top, ~0U, CLOSE_RANGE_CLOEXEC);
  return 0;
}

// `cgroup`: NULL if the child is in its cgroup already.
static int prepare(const Options* options, const Cgroup* cgroup, int log_fd, int* go_fd, int* status_fd,
                   Failure* failure) {
  if (setsid() < 0) return fail(failure, errno, "make a session for the VMM");
  int error = cgroup == NULL ? 0 : cgroup_enter_vmm(cgroup);
  if (error != 0) return fail(failure, -error, "move the VMM to its cgroup");
  (void)write_text(AT_FDCWD, "/proc/self/oom_score_adj", "0");
  (void)setpriority(PRIO_PROCESS, 0, 0);
  (void)umask(077);
  if (dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
    return fail(failure, errno, "give the VMM its log");
  return place_fds(options, go_fd, status_fd, failure);
}

static _Noreturn void run_child(const Options* options, const Cgroup* cgroup, int log_fd, int go_fd, int status_fd) {
  Failure failure;
  memset(&failure, 0, sizeof failure);
  if (prepare(options, cgroup, log_fd, &go_fd, &status_fd, &failure) == 0) {
    char byte = 0;
    ssize_t n = 0;
    while ((n = read(go_fd, &byte, 1)) < 0 && errno == EINTR) {
    }
    // The supervisor died before the identity was on disk, so nobody would ever know of this VMM.
    if (n != 1) _exit(kExitStartFailed);
    static char* empty_environment[] = {NULL};
    // Done last, because the child must not be ended by a signal before exec.
    unblock_signals();
    if (options->env_clear)
      (void)execvpe(options->argv[0], options->argv, empty_environment);
    else
      (void)execvp(options->argv[0], options->argv);
    (void)fail(&failure, errno, "exec %.300s", options->argv[0]);
  }
  ssize_t ignored = write(status_fd, &failure, sizeof failure);
  (void)ignored;
  _exit(kExitStartFailed);
}

int vmm_fork(Vmm* vmm, const Options* options, const Cgroup* cgroup, int log_fd, Failure* failure) {
  int go[2];
  int status[2];
  if (pipe2(go, O_CLOEXEC) != 0) return fail(failure, errno, "make a pipe");
  if (pipe2(status, O_CLOEXEC) != 0) {
    (void)fail(failure, errno, "make a pipe");
    (void)close(go[0]);
    (void)close(go[1]);
    return -1;
  }
  bool inside = false;
  vmm->pid = cgroup_fork(cgroup, &inside);
  int error = errno;
  if (vmm->pid == 0) {
    (void)close(go[1]);
    (void)close(status[0]);
    run_child(options, inside ? NULL : cgroup, log_fd, go[0], status[1]);
  }
  (void)close(go[0]);
  (void)close(status[1]);
  vmm->go_fd = go[1];
  vmm->status_fd = status[0];
  if (vmm->pid < 0) {
    (void)close(go[1]);
    (void)close(status[0]);
    return fail(failure, error, "fork");
  }
  // If the supervisor kept a listening socket of the VMM, it would look alive after the VMM's death.
  for (size_t i = 0; i < options->fd_count; ++i) (void)close(kFirstPassedFd + (int)i);
  return 0;
}

static void reap(pid_t pid) {
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

int vmm_release(Vmm* vmm, Failure* failure) {
  ssize_t ignored = write(vmm->go_fd, "", 1);
  (void)ignored;  // a child that failed before has closed the pipe; its Failure is read below
  (void)close(vmm->go_fd);
  Failure told;
  ssize_t n = 0;
  while ((n = read(vmm->status_fd, &told, sizeof told)) < 0 && errno == EINTR) {
  }
  (void)close(vmm->status_fd);
  if (n == 0) return 0;
  reap(vmm->pid);
  if (n != (ssize_t)sizeof told) return fail(failure, EIO, "the VMM's process ended before exec");
  *failure = told;
  return -1;
}

void vmm_abandon(Vmm* vmm) {
  (void)close(vmm->go_fd);
  (void)close(vmm->status_fd);
  reap(vmm->pid);
}

static pid_t parent_of(const char* pid) {
  char path[280];
  char text[512];
  (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
  if (read_text(path, text, sizeof text) != 0) return 0;
  char* name_end = strrchr(text, ')');
  // ") S PPID …"
  return name_end == NULL || strlen(name_end) < 4 ? 0 : (pid_t)strtol(name_end + 4, NULL, 10);
}

void kill_children(void) {
  DIR* proc = opendir("/proc");
  if (proc == NULL) return;
  pid_t self = getpid();
  struct dirent* entry = NULL;
  while ((entry = readdir(proc)) != NULL) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (parent_of(entry->d_name) == self) (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
  }
  (void)closedir(proc);
}
