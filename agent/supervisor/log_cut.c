// The VMM has the log open for appending, so renaming would not help: the content is copied and the file is emptied.
#include "log_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  kMore = 1 << 16,  // what comes while it is copied and is kept, too
  kRounds = 8       // of copying what came during the one before
};

// Copies what the log has from `*at` on. The VMM writes on meanwhile, so what came during one round is copied by the
// next, up to kMore bytes in all. Returns why something is missing; NULL: nothing is, as far as can be seen.
static const char* copy_out(int log, int out, off_t* at, off_t* end) {
  const off_t most = *end + kMore;
  for (int round = 0; round < kRounds && *at < most; ++round) {
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

void vmm_log_cut(int log, off_t size, const char* older) {
  const off_t begin = size - kVmmLogMax;
  off_t at = begin;
  off_t end = size;
  // O_NONBLOCK: what stands there may be no file, and nobody waits for a reader of it.
  int out = open(older, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  const char* lost = out < 0 ? strerror(errno) : copy_out(log, out, &at, &end);
  // The log is cut even if not everything could be kept: a VMM's output must not fill the disk. What the VMM writes
  // between the last look at the size and this call is lost, and nobody can tell how much that is.
  (void)ftruncate(log, 0);
  char line[512];
  int n = lost == NULL
              ? snprintf(line, sizeof line,
                         "[qarax: the log was cut; the %lld bytes before this are in vmm.log.1, but for what came at "
                         "that moment]\n",
                         (long long)(end - begin))
              : snprintf(line, sizeof line,
                         "[qarax: the log was cut; vmm.log.1 has the first %lld of at least %lld bytes before this, no "
                         "more: %s]\n",
                         (long long)(at - begin), (long long)(end - begin), lost);
  if (out >= 0) (void)close(out);
  if (n > 0) (void)write(log, line, strlen(line));
}
