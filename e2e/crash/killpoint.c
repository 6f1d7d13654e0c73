// Kills a program at one of its system calls, counted over all its threads, so that a test can reach every step.
//
//   killpoint PID N            SIGKILL to PID when it is about to make its N-th system call with an effect
//   killpoint PID N TEXT NAME  at the same moment, but to the process whose name (comm) begins with NAME and whose
//                              command line contains TEXT; if there is none yet, at the first such call when it is
//                              there
//   killpoint PID list FILE    kills nobody: writes to FILE each such call as it begins, "TID CALL PATH", where PATH is
//                              its subject ("process" or "thread" for a call that makes one), and at the end of a
//                              successful sync "TID CALL PATH done"
//
// An effect is what another process, the disk or a peer could see: files made, written, synced, renamed, removed;
// messages sent; processes made and signalled. Reads, waits, memory and wake-ups have no effect.
//
// Writes "ready" once it counts, then one line: "killed N CALL" or, if its standard input ends first, "counted M".
// In either case it detaches from the traced program, and nothing in that program has changed.
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct effect {
  long number;
  const char* name;
};

static const struct effect kEffects[] = {
    {SYS_openat, "openat"},       {SYS_open, "open"},           {SYS_creat, "creat"},
    {SYS_write, "write"},         {SYS_pwrite64, "pwrite64"},   {SYS_writev, "writev"},
    {SYS_pwritev, "pwritev"},     {SYS_fsync, "fsync"},         {SYS_fdatasync, "fdatasync"},
    {SYS_ftruncate, "ftruncate"}, {SYS_fallocate, "fallocate"}, {SYS_rename, "rename"},
    {SYS_renameat, "renameat"},   {SYS_renameat2, "renameat2"}, {SYS_unlink, "unlink"},
    {SYS_unlinkat, "unlinkat"},   {SYS_mkdir, "mkdir"},         {SYS_mkdirat, "mkdirat"},
    {SYS_rmdir, "rmdir"},         {SYS_link, "link"},           {SYS_linkat, "linkat"},
    {SYS_symlink, "symlink"},     {SYS_symlinkat, "symlinkat"}, {SYS_bind, "bind"},
    {SYS_connect, "connect"},     {SYS_sendto, "sendto"},       {SYS_sendmsg, "sendmsg"},
    {SYS_clone, "clone"},         {SYS_clone3, "clone3"},       {SYS_fork, "fork"},
    {SYS_vfork, "vfork"},         {SYS_kill, "kill"},           {SYS_pidfd_send_signal, "pidfd_send_signal"},
};

static const char* effect_of(const struct __ptrace_syscall_info* info) {
  const unsigned long first = info->entry.args[0], second = info->entry.args[1], third = info->entry.args[2];
  for (size_t i = 0; i < sizeof kEffects / sizeof *kEffects; ++i) {
    if (kEffects[i].number != (long)info->entry.nr) continue;
    switch (kEffects[i].number) {
      case SYS_openat:
        return third & (O_CREAT | O_TRUNC) ? kEffects[i].name : NULL;
      case SYS_open:
        return second & (O_CREAT | O_TRUNC) ? kEffects[i].name : NULL;
      case SYS_write:
        // Writes to logs (stdout, stderr) don't count, nor do writes of eight bytes, which are wake-ups through an
        // eventfd.
        return first > 2 && third != 8 ? kEffects[i].name : NULL;
      case SYS_clone:
        return first & CLONE_THREAD ? NULL : kEffects[i].name;
      default:
        return kEffects[i].name;
    }
  }
  return NULL;
}

// Threads that appear meanwhile are traced by PTRACE_O_TRACECLONE, unless their parent wasn't traced yet: so look
// again.
static int attach_all(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  for (int fresh = 1; fresh != 0;) {
    fresh = 0;
    DIR* tasks = opendir(path);
    if (tasks == NULL) return -1;
    for (struct dirent* entry; (entry = readdir(tasks)) != NULL;) {
      const pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
      if (tid <= 0) continue;
      if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) != 0) continue;
      ptrace(PTRACE_INTERRUPT, tid, 0, 0);
      fresh = 1;
    }
    closedir(tasks);
  }
  return 0;
}

static int reads_as(const char* path, const char* text, int begins) {
  char buffer[16384];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  const ssize_t got = read(fd, buffer, sizeof buffer);
  close(fd);
  if (got <= 0) return 0;
  if (begins) return (size_t)got >= strlen(text) && memcmp(buffer, text, strlen(text)) == 0;
  return memmem(buffer, (size_t)got, text, strlen(text)) != NULL;
}

static pid_t find_victim(const char* text, const char* name) {
  char path[64];
  pid_t found = 0;
  DIR* proc = opendir("/proc");
  if (proc == NULL) return 0;
  for (struct dirent* entry; found == 0 && (entry = readdir(proc)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%.16s/comm", entry->d_name);
    if (!reads_as(path, name, 1)) continue;
    snprintf(path, sizeof path, "/proc/%.16s/cmdline", entry->d_name);
    if (reads_as(path, text, 0)) found = (pid_t)strtol(entry->d_name, NULL, 10);
  }
  closedir(proc);
  return found;
}

// The subject of a call: the path that it names (of a rename the new one), or the file that its descriptor is open on.
static void subject_of(pid_t tid, const struct __ptrace_syscall_info* info, char* out, size_t room) {
  const unsigned long* args = (const unsigned long*)info->entry.args;
  unsigned long name = 0;
  out[0] = 0;
  switch (info->entry.nr) {
    case SYS_open:
    case SYS_creat:
    case SYS_mkdir:
    case SYS_rmdir:
    case SYS_unlink:
      name = args[0];
      break;
    case SYS_openat:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_rename:
    case SYS_link:
      name = args[1];
      break;
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_linkat:
      name = args[3];
      break;
    case SYS_clone3: {
      unsigned long long flags = 0;
      struct iovec here = {&flags, sizeof flags}, there = {(void*)args[0], sizeof flags};
      const int is_thread = process_vm_readv(tid, &here, 1, &there, 1, 0) > 0 && (flags & CLONE_THREAD) != 0;
      snprintf(out, room, "%s", is_thread ? "thread" : "process");
      return;
    }
    case SYS_clone:
    case SYS_fork:
    case SYS_vfork:
      snprintf(out, room, "process");
      return;
    case SYS_kill:
      return;
    default: {
      char link[64];
      snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, (int)args[0]);
      const ssize_t got = readlink(link, out, room - 1);
      out[got > 0 ? got : 0] = 0;
      return;
    }
  }
  // Read only up to the end of the page, because the next page may not be mapped.
  for (size_t at = 0, size = 4096 - name % 4096; at + 1 < room; size = 4096) {
    struct iovec here = {out + at, size < room - 1 - at ? size : room - 1 - at},
                 there = {(void*)(name + at), here.iov_len};
    const ssize_t got = process_vm_readv(tid, &here, 1, &there, 1, 0);
    out[at + (got > 0 ? (size_t)got : 0)] = 0;
    if (got <= 0 || memchr(out + at, 0, (size_t)got) != NULL) return;
    at += (size_t)got;
  }
}

// For each thread that is in a sync, the line that reported its beginning.
static struct {
  pid_t tid;
  char line[PATH_MAX];
} in_sync[256];

static void list(FILE* to, pid_t tid, const struct __ptrace_syscall_info* info) {
  size_t at = 0;
  if (info->op == PTRACE_SYSCALL_INFO_EXIT) {
    while (at < sizeof in_sync / sizeof *in_sync && in_sync[at].tid != tid) ++at;
    if (at == sizeof in_sync / sizeof *in_sync) return;
    if (info->exit.rval == 0) fprintf(to, "%s done\n", in_sync[at].line);
    in_sync[at].tid = 0;
    return;
  }
  const char* name = info->op == PTRACE_SYSCALL_INFO_ENTRY ? effect_of(info) : NULL;
  if (name == NULL) return;
  char path[PATH_MAX], line[PATH_MAX];
  subject_of(tid, info, path, sizeof path - 64);
  snprintf(line, sizeof line, "%d %s %.*s", tid, name, (int)sizeof path - 64, path);
  fprintf(to, "%s\n", line);
  if (info->entry.nr != SYS_fsync && info->entry.nr != SYS_fdatasync) return;
  while (at < sizeof in_sync / sizeof *in_sync && in_sync[at].tid != 0) ++at;
  if (at == sizeof in_sync / sizeof *in_sync) return;
  in_sync[at].tid = tid;
  memcpy(in_sync[at].line, line, sizeof line);
}

static FILE* listing;
static atomic_long count;
// Held by the thread that writes the last line and ends this process.
static pthread_mutex_t verdict = PTHREAD_MUTEX_INITIALIZER;

// The caller needs no more: when this process ends, the traced program goes on.
static void* until_input_ends(void* unused) {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  pthread_mutex_lock(&verdict);
  printf("counted %ld\n", atomic_load(&count));
  fflush(stdout);
  if (listing != NULL) fflush(listing);
  _exit(0);
  return unused;
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5 || (argc == 4) != (strcmp(argv[2], "list") == 0)) {
    fprintf(stderr, "usage: killpoint PID N [TEXT NAME], or killpoint PID list FILE\n");
    return 2;
  }
  if (argc == 4 && (listing = fopen(argv[3], "we")) == NULL) {
    fprintf(stderr, "killpoint: can't write %s: %s\n", argv[3], strerror(errno));
    return 1;
  }
  const pid_t pid = (pid_t)strtol(argv[1], NULL, 10);
  const long at = strtol(argv[2], NULL, 10);
  if (attach_all(pid) != 0) {
    fprintf(stderr, "killpoint: can't attach to %d: %s\n", pid, strerror(errno));
    return 1;
  }
  pthread_t watcher;
  if (pthread_create(&watcher, NULL, until_input_ends, NULL) != 0) return 1;
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    int status = 0;
    const pid_t tid = waitpid(-1, &status, __WALL);
    if (tid < 0) break;  // the traced program has ended
    if (!WIFSTOPPED(status)) continue;
    long pass = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      struct __ptrace_syscall_info info;
      const int told = ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0;
      if (told && listing != NULL) {
        list(listing, tid, &info);
      } else if (told && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        const char* name = effect_of(&info);
        if (name != NULL && atomic_fetch_add(&count, 1) + 1 >= at) {
          const pid_t victim = argc == 5 ? find_victim(argv[3], argv[4]) : pid;
          if (victim != 0) pthread_mutex_lock(&verdict);
          if (victim != 0 && kill(victim, SIGKILL) == 0) {
            printf("killed %ld %s\n", atomic_load(&count), name);
            fflush(stdout);
            _exit(0);
          }
          if (victim != 0) pthread_mutex_unlock(&verdict);  // the victim has ended by itself
        }
      }
    } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP) {
      pass = WSTOPSIG(status);  // a signal for the traced program itself
    }
    ptrace(PTRACE_SYSCALL, tid, 0, pass);
  }
  printf("counted %ld\n", atomic_load(&count));
  return 0;
}
