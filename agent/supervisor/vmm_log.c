// vmm.log and its limit (contract: vmm_log.h). The VMM has the file open for appending, so renaming would not help: the
// content is copied and the file is emptied.
#include "vmm_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static const char kName[] = "vmm.log";

int vmm_log_open(VmmLog* log, Failure* failure) {
  (void)unlink("vmm.log.1");
  *log = (VmmLog){.interval_ms = kVmmLogFirstMs};
  log->fd = open(kName, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  return log->fd < 0 ? fail(failure, errno, "open %s", kName) : 0;
}

void vmm_log_check(VmmLog* log) {
  struct stat info;
  if (fstat(log->fd, &info) != 0) return;
  log->interval_ms = info.st_size != log->size ? kVmmLogFirstMs : log->interval_ms * 2;
  if (log->interval_ms > kVmmLogLastMs) log->interval_ms = kVmmLogLastMs;
  log->size = info.st_size;
  if (info.st_size <= kVmmLogMax) return;
  const off_t begin = info.st_size - kVmmLogMax;
  off_t from = begin;
  int error = 0;
  int out = open("vmm.log.1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (out >= 0) {
    while (from < info.st_size) {
      ssize_t n = sendfile(out, log->fd, &from, (size_t)(info.st_size - from));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) error = errno;
      if (n <= 0) break;
    }
    (void)close(out);
  } else {
    error = errno;
  }
  // The log is cut even if not everything could be kept: a VMM's output must not fill the disk.
  (void)ftruncate(log->fd, 0);
  if (from == info.st_size)
    complain("[qarax: the log was cut; the %d bytes before this are in vmm.log.1]", kVmmLogMax);
  else
    complain("[qarax: the log was cut; of the %d bytes before this vmm.log.1 has the first %lld, the rest is lost: %s]",
             kVmmLogMax, (long long)(from - begin), error != 0 ? strerror(error) : "the log became shorter");
}

int64_t vmm_log_tick(VmmLog* log, int64_t now) {
  if (now >= log->next_at) {
    vmm_log_check(log);
    log->next_at = now + log->interval_ms;
  }
  return log->next_at;
}
