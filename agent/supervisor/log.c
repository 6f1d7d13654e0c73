// Two files, written at known offsets (contract: log.h), so that a half-written marker can be written again.
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const char kCurrent[] = "console.log";
static const char kOlder[] = "console.log.1";

size_t format_dropped(char out[64], uint64_t bytes) {
  int length = snprintf(out, 64, "\n[qarax: %" PRIu64 " bytes dropped]\n", bytes);
  return (size_t)length;
}

static int open_current(ConsoleLog* log) {
  log->current = open(kCurrent, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  return log->current < 0 ? -1 : 0;
}

void log_open(ConsoleLog* log, int64_t limit) {
  *log = (ConsoleLog){.half = limit / 2, .current = -1, .older = -1};
  (void)unlink(kOlder);
  (void)open_current(log);
}

int64_t log_end(const ConsoleLog* log) { return log->current_base + log->current_size; }

static bool write_at(int fd, const char* data, size_t length, int64_t offset) {
  ssize_t n = 0;
  while ((n = pwrite(fd, data, length, offset)) < 0 && errno == EINTR) {
  }
  return n == (ssize_t)length;
}

// Everything before console.log is about to be dropped: a marker that says so replaces the first bytes of console.log.
static void mark_front(ConsoleLog* log) {
  char marker[64];
  size_t length = 0;
  for (size_t guess = format_dropped(marker, 0); guess != length;) {
    length = guess;
    guess = format_dropped(marker, (uint64_t)log->current_base + length);
  }
  if (!write_at(log->current, marker, length, 0)) complain("mark %s: errno %d", kCurrent, errno);
  log->oldest = log->current_base + (int64_t)length;
}

static int rotate(ConsoleLog* log) {
  if (rename(kCurrent, kOlder) != 0) return -1;
  if (log->older >= 0) {
    (void)close(log->older);
    mark_front(log);
  }
  log->older = log->current;
  log->older_base = log->current_base;
  log->current_base += log->current_size;
  log->current_size = 0;
  return open_current(log);
}

static int make_room(ConsoleLog* log, int64_t wanted) {
  if (log->current < 0) return open_current(log);
  return log->half - log->current_size < wanted ? rotate(log) : 0;
}

// A marker is written as a whole and into one file, or not at all.
static bool write_marker(ConsoleLog* log) {
  char marker[64];
  size_t length = format_dropped(marker, log->pending);
  if (make_room(log, (int64_t)length) != 0) return false;
  if (!write_at(log->current, marker, length, log->current_size)) {
    (void)ftruncate(log->current, log->current_size);
    return false;
  }
  log->current_size += (int64_t)length;
  log->pending = 0;
  return true;
}

uint64_t log_append(ConsoleLog* log, const void* data, size_t length) {
  size_t done = 0;
  if (log->pending == 0 || write_marker(log)) {
    while (done < length && make_room(log, 1) == 0) {
      int64_t room = log->half - log->current_size;
      size_t want = length - done;
      if ((int64_t)want > room) want = (size_t)room;
      ssize_t n = pwrite(log->current, (const char*)data + done, want, log->current_size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      log->current_size += n;
      done += (size_t)n;
    }
  }
  log->pending += length - done;
  return length - done;
}

size_t log_read(const ConsoleLog* log, int64_t position, void* out, size_t length) {
  bool in_older = position < log->current_base;
  int64_t end = in_older ? log->current_base : log_end(log);
  int64_t base = in_older ? log->older_base : log->current_base;
  int fd = in_older ? log->older : log->current;
  if (fd < 0 || position >= end) return 0;
  if ((int64_t)length > end - position) length = (size_t)(end - position);
  ssize_t n = 0;
  while ((n = pread(fd, out, length, position - base)) < 0 && errno == EINTR) {
  }
  return n > 0 ? (size_t)n : 0;
}

void log_finish(ConsoleLog* log) {
  if (log->pending > 0) (void)write_marker(log);
}
