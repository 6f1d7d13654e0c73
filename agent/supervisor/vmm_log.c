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

// Copies what the log has from `*at` on. The VMM writes on meanwhile, so what came during one round is copied by the
// next, up to kVmmLogMore bytes in all. Returns why something is missing; NULL: nothing is, as far as can be seen.
static const char* copy_out(int log, int out, off_t* at, off_t* end) {
  const off_t most = *end + kVmmLogMore;
  for (int round = 0; round < kVmmLogRounds && *at < most; ++round) {
    const off_t until = *end < most ? *end : most;
    while (*at < until) {
      ssize_t n = sendfile(out, log, at, (size_t)(until - *at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return strerror(errno);
      if (n == 0) return "the log became shorter";
    }
    struct stat now;
    if (fstat(log, &now) != 0) return strerror(errno);
    if (now.st_size > *end)
      *end = now.st_size;
    else if (*at == *end)
      return NULL;
  }
  return "the VMM writes faster than it is copied";
}

static void cut(int log, off_t size) {
  const off_t begin = size - kVmmLogMax;
  off_t at = begin;
  off_t end = size;
  int out = open("vmm.log.1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const char* lost = out < 0 ? strerror(errno) : copy_out(log, out, &at, &end);
  // The log is cut even if not everything could be kept: a VMM's output must not fill the disk. What the VMM writes
  // between the last look at the size and this call is lost, and nobody can tell how much that is.
  (void)ftruncate(log, 0);
  if (out >= 0) (void)close(out);
  if (lost == NULL)
    complain("[qarax: the log was cut; the %lld bytes before this are in vmm.log.1, but for what came at that moment]",
             (long long)(end - begin));
  else
    complain("[qarax: the log was cut; vmm.log.1 has the first %lld of at least %lld bytes before this, no more: %s]",
             (long long)(at - begin), (long long)(end - begin), lost);
}

void vmm_log_check(VmmLog* log) {
  struct stat info;
  if (fstat(log->fd, &info) != 0) return;
  log->interval_ms = info.st_size != log->size ? kVmmLogFirstMs : log->interval_ms * 2;
  if (log->interval_ms > kVmmLogLastMs) log->interval_ms = kVmmLogLastMs;
  log->size = info.st_size;
  if (info.st_size > kVmmLogMax) cut(log->fd, info.st_size);
}

int64_t vmm_log_tick(VmmLog* log, int64_t now) {
  if (now >= log->next_at) {
    vmm_log_check(log);
    log->next_at = now + log->interval_ms;
  }
  return log->next_at;
}
