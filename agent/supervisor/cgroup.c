// cgroup v2 through its files (contract: cgroup.h).
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int make_folder(const char* path, Failure* failure) {
  if (mkdir(path, 0755) == 0 || errno == EEXIST) return 0;
  return fail(failure, errno, "make cgroup %.300s", path);
}

static void remove_folders(const char* dir) {
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "%s/vmm", dir);
  (void)rmdir(path);
  (void)snprintf(path, sizeof path, "%s/sup", dir);
  (void)rmdir(path);
  (void)rmdir(dir);
}

static int make_folders(Cgroup* cgroup, const char* dir, Failure* failure) {
  char path[PATH_MAX];
  if (strlen(dir) > sizeof path - 32) return fail(failure, ENAMETOOLONG, "--cgroup");
  if (make_folder(dir, failure) != 0) return -1;
  (void)snprintf(path, sizeof path, "%s/sup", dir);
  if (make_folder(path, failure) != 0) return -1;
  (void)snprintf(path, sizeof path, "%s/vmm", dir);
  cgroup->is_used = access(path, F_OK) == 0;
  if (make_folder(path, failure) != 0) return -1;
  cgroup->vmm_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (cgroup->vmm_fd < 0) return fail(failure, errno, "open cgroup %.300s", path);
  // An ordinary folder has no such file, so a path outside a cgroup file system is refused here.
  if (faccessat(cgroup->vmm_fd, "cgroup.procs", W_OK, AT_EACCESS) != 0)
    return fail(failure, errno, "use cgroup %.300s", path);
  return 0;
}

int cgroup_open(Cgroup* cgroup, const char* dir, Failure* failure) {
  cgroup->vmm_fd = -1;
  cgroup->dir = dir;
  if (make_folders(cgroup, dir, failure) == 0) return 0;
  cgroup_forgo(cgroup);
  return -1;
}

void cgroup_forgo(Cgroup* cgroup) {
  if (cgroup->vmm_fd >= 0) (void)close(cgroup->vmm_fd);
  cgroup->vmm_fd = -1;
  if (cgroup->dir != NULL) remove_folders(cgroup->dir);
  cgroup->dir = NULL;
}

pid_t cgroup_fork(const Cgroup* cgroup, bool* inside) {
  *inside = cgroup->vmm_fd < 0;
  // Linux 6.18 kills a process that is cloned into a group whose cgroup.kill was ever written.
  if (*inside || cgroup->is_used) return fork();
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = (unsigned)cgroup->vmm_fd;
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fork();
  *inside = true;
  return pid;
}

int cgroup_enter_vmm(const Cgroup* cgroup) {
  return cgroup->vmm_fd < 0 ? 0 : write_text(cgroup->vmm_fd, "cgroup.procs", "0");
}

int cgroup_enter_sup(const Cgroup* cgroup) {
  return cgroup->vmm_fd < 0 ? 0 : write_text(cgroup->vmm_fd, "../sup/cgroup.procs", "0");
}

void cgroup_kill(const Cgroup* cgroup) {
  if (cgroup->vmm_fd < 0 || write_text(cgroup->vmm_fd, "cgroup.kill", "1") == 0) return;
  // Before Linux 5.14: kill one by one. The caller repeats this until the group is empty, which covers forks in
  // between.
  int fd = openat(cgroup->vmm_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[4096];
  ssize_t n = read(fd, text, sizeof text - 1);
  (void)close(fd);
  if (n <= 0) return;
  text[n] = '\0';
  for (char* at = text; *at != '\0';) {
    char* end = NULL;
    long pid = strtol(at, &end, 10);
    if (end == at || *end != '\n') break;  // the last number may be incomplete
    if (pid > 1) (void)kill((pid_t)pid, SIGKILL);
    at = end + 1;
  }
}

bool cgroup_populated(const Cgroup* cgroup) {
  if (cgroup->vmm_fd < 0) return false;
  int fd = openat(cgroup->vmm_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[256];
  ssize_t n = read(fd, text, sizeof text - 1);
  (void)close(fd);
  if (n <= 0) return false;
  text[n] = '\0';
  return strstr(text, "populated 1") != NULL;
}

void cgroup_remove_vmm(Cgroup* cgroup) {
  if (cgroup->vmm_fd < 0) return;
  char path[PATH_MAX];
  (void)close(cgroup->vmm_fd);
  cgroup->vmm_fd = -1;
  (void)snprintf(path, sizeof path, "%s/vmm", cgroup->dir);
  if (rmdir(path) != 0 && errno != ENOENT) complain("remove cgroup %s: %s", path, strerror(errno));
}
