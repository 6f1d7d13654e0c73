// Kills a program at one of its system calls, counted over all its threads: the outside's way to be at every step.
//
//   killpoint PID N            SIGKILL to PID when it is about to make its N-th system call with an effect
//   killpoint PID N TEXT NAME  the same moment, but of the process whose name (comm) begins with NAME and whose
//                              command line contains TEXT; is there none yet, then at the first such call after it is
//
// An effect is what another process, the disk or a peer could see: files made, written, synced, renamed, removed;
// messages sent; processes made and signalled. Reads, waits, memory and wake-ups aren't.
//
// Writes "ready" once it counts, then one line: "killed N CALL" or, when its standard input ends first, "counted M".
// The traced program is let go in either case; nothing of it is changed.
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
        // Logs aren't effects, nor are eight bytes: an eventfd's wake-up.
        return first > 2 && third != 8 ? kEffects[i].name : NULL;
      case SYS_clone:
        return first & CLONE_THREAD ? NULL : kEffects[i].name;
      default:
        return kEffects[i].name;
    }
  }
  return NULL;
}

// Threads that appear while we attach come by PTRACE_O_TRACECLONE, unless their parent wasn't ours yet: look twice.
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

static atomic_long count;
static pthread_mutex_t verdict = PTHREAD_MUTEX_INITIALIZER;  // who holds it has the last word, and ends us

// The caller has what it wanted: what is traced goes on when we end.
static void* until_input_ends(void* unused) {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  pthread_mutex_lock(&verdict);
  printf("counted %ld\n", atomic_load(&count));
  fflush(stdout);
  _exit(0);
  return unused;
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    fprintf(stderr, "usage: killpoint PID N [TEXT NAME]\n");
    return 2;
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
    if (tid < 0) break;  // all of it has ended
    if (!WIFSTOPPED(status)) continue;
    long pass = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      struct __ptrace_syscall_info info;
      if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        const char* name = effect_of(&info);
        if (name != NULL && atomic_fetch_add(&count, 1) + 1 >= at) {
          const pid_t victim = argc == 5 ? find_victim(argv[3], argv[4]) : pid;
          if (victim != 0) pthread_mutex_lock(&verdict);
          if (victim != 0 && kill(victim, SIGKILL) == 0) {
            printf("killed %ld %s\n", atomic_load(&count), name);
            fflush(stdout);
            _exit(0);
          }
          if (victim != 0) pthread_mutex_unlock(&verdict);  // it has ended by itself
        }
      }
    } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGTRAP) {
      pass = WSTOPSIG(status);  // a signal of its own
    }
    ptrace(PTRACE_SYSCALL, tid, 0, pass);
  }
  printf("counted %ld\n", atomic_load(&count));
  return 0;
}
