// vmm.log and its limit (contract: vmm_log.h).
#include "vmm_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_cut.h"

static const char kName[] = "vmm.log";
static const char kOlder[] = "vmm.log.1";

int vmm_log_open(VmmLog* log, Failure* failure) {
  (void)unlink(kOlder);
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
  if (info.st_size > kVmmLogMax) vmm_log_cut(log->fd, info.st_size, kOlder);
}

int64_t vmm_log_tick(VmmLog* log, int64_t now) {
  if (now >= log->next_at) {
    vmm_log_check(log);
    log->next_at = now + log->interval_ms;
  }
  return log->next_at;
}
