// Records and the lock (contract: record.h). Each record is written to a temporary file, synced and renamed, and then
// the folder is synced: for the exit record before anybody hears of it, for the identity after the start was reported
// (settle_records).
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t start_time(pid_t pid) {
  char path[48];
  char text[1024];
  (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (read_text(path, text, sizeof text) != 0) return 0;
  // The second field is a name in parentheses that may itself hold spaces and parentheses.
  char* at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 22; ++field) at = strchr(at + 1, ' ');
  return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

int read_boot_id(char out[40], Failure* failure) {
  int error = read_text("/proc/sys/kernel/random/boot_id", out, 40);
  if (error != 0) return fail(failure, -error, "read /proc/sys/kernel/random/boot_id");
  out[strcspn(out, "\n")] = '\0';
  return 0;
}

int take_lock(const Identity* identity, Failure* failure) {
  // The descriptor is never closed, because that would release the lock. A POSIX lock belongs to this pid alone, so the
  // VMM can't inherit it, and F_GETLK tells everybody who holds it.
  int fd = open("supervisor.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(failure, errno, "open supervisor.lock");
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_SETLK, &lock) != 0) {
    int error = errno;
    if (error != EACCES && error != EAGAIN) return fail(failure, error, "lock supervisor.lock");
    struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = fcntl(fd, F_GETLK, &holder) == 0 && holder.l_type != F_UNLCK ? holder.l_pid : 0;
    return fail(failure, EWOULDBLOCK, "supervisor.lock is held by pid %d: this VM already has a supervisor", (int)pid);
  }
  char text[64];
  int length =
      snprintf(text, sizeof text, "%d %" PRIu64 "\n", (int)identity->supervisor_pid, identity->supervisor_start_time);
  if (pwrite(fd, text, (size_t)length, 0) != length || ftruncate(fd, length) != 0)
    return fail(failure, errno, "write supervisor.lock");
  return 0;
}

static int sync_folder(const char* path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = fsync(fd) == 0 ? 0 : -errno;
  (void)close(fd);
  return result;
}

// Returns 0 or -errno. The descriptor stays open for another try.
static int publish(int fd, const char* temporary, const char* name, const char* text, size_t length) {
  ssize_t n = pwrite(fd, text, length, 0);
  if (n < 0) return -errno;
  if ((size_t)n != length) return -ENOSPC;
  if (ftruncate(fd, (off_t)length) != 0 || fsync(fd) != 0) return -errno;
  return rename(temporary, name) == 0 ? 0 : -errno;
}

void settle_records(void) {
  // The run folder, the folder of all runs, and the VM's: the agent that made them did not sync them.
  static const char* const kFolders[] = {".", "..", "../.."};
  for (size_t i = 0; i < sizeof kFolders / sizeof kFolders[0]; ++i) {
    int error = sync_folder(kFolders[i]);
    if (error != 0) complain("qarax-supervisor: sync %s: %s", kFolders[i], strerror(-error));
  }
}

int write_identity(const Identity* identity, Failure* failure) {
  if (unlink("exit.json") != 0 && errno != ENOENT) return fail(failure, errno, "remove the old exit.json");
  char at[48];
  char text[512];
  format_now(at);
  int length = snprintf(text, sizeof text,
                        "{\"format\":%d,\"min_reader\":%d,\"vmm_pid\":%d,\"vmm_start_time\":%" PRIu64
                        ",\"supervisor_pid\":%d,\"supervisor_start_time\":%" PRIu64
                        ",\"started_at\":\"%s\",\"boot_id\":\"%s\"}\n",
                        kFormat, kMinReader, (int)identity->vmm_pid, identity->vmm_start_time,
                        (int)identity->supervisor_pid, identity->supervisor_start_time, at, identity->boot_id);
  int fd = open("supervisor.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(failure, errno, "open supervisor.json.tmp");
  int error = publish(fd, "supervisor.json.tmp", "supervisor.json", text, (size_t)length);
  (void)close(fd);
  return error == 0 ? 0 : fail(failure, -error, "write supervisor.json");
}

void remove_identity(void) {
  (void)unlink("supervisor.json");
  (void)unlink("supervisor.json.tmp");
  (void)unlink("exit.json.tmp");
  (void)sync_folder(".");
}

int reserve_exit_record(void) {
  int fd = open("exit.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) (void)posix_fallocate(fd, 0, 1024);
  return fd;
}

int write_exit(int reserved_fd, const Identity* identity, const ExitStatus* status, const ConsoleCounters* console) {
  char text[768];
  int length =
      snprintf(text, sizeof text,
               "{\"format\":%d,\"min_reader\":%d,\"kind\":\"%s\",\"code\":%d,\"signal\":%d,\"core\":%s,"
               "\"at\":\"%s\",\"boottime_ns\":%" PRId64 ",\"console_bytes\":%" PRIu64 ",\"console_dropped\":%" PRIu64
               ",\"vmm_pid\":%d,\"vmm_start_time\":%" PRIu64 ",\"boot_id\":\"%s\"}\n",
               kFormat, kMinReader, status->signal != 0 ? "signaled" : "exited", status->code, status->signal,
               status->core ? "true" : "false", status->at, status->boottime_ns, console->bytes, console->dropped,
               (int)identity->vmm_pid, identity->vmm_start_time, identity->boot_id);
  int fd = reserved_fd;
  if (fd < 0) fd = open("exit.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return -errno;
  int error = publish(fd, "exit.json.tmp", "exit.json", text, (size_t)length);
  if (error == 0) error = sync_folder(".");
  if (fd != reserved_fd) (void)close(fd);
  return error;
}
