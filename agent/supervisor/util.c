// Small helpers. Contract: no state, no allocation, EINTR never reaches the caller, and none of them ends the process.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor.h"

int fail(Failure* failure, int error, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  failure->error = error;
  (void)vsnprintf(failure->what, sizeof failure->what, format, arguments);
  va_end(arguments);
  return -1;
}

void complain(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (n < 0) return;
  size_t length = (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
  line[length++] = '\n';
  ssize_t ignored = write(STDERR_FILENO, line, length);
  (void)ignored;
}

int64_t monotonic_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Computed here because the library's gmtime_r reads the time zone files, which costs memory and start-up time for
// nothing.
void format_now(char out[48]) {
  struct timespec now;
  (void)clock_gettime(CLOCK_REALTIME, &now);
  int64_t days = now.tv_sec / 86400;
  int seconds = (int)(now.tv_sec % 86400);
  // Days are counted from 0000-03-01 so that the leap day ends a year.
  int64_t shifted = days + 719468;
  int64_t era = shifted / 146097;
  int64_t day_of_era = shifted % 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t march_month = (5 * day_of_year + 2) / 153;
  int day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
  int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
  int year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
  (void)snprintf(out, 48, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year % 10000, month, day, seconds / 3600,
                 seconds / 60 % 60, seconds % 60, (int)(now.tv_nsec / 1000000));
}

int read_text(const char* path, char* out, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  size_t length = 0;
  int result = 0;
  while (length < size - 1) {
    ssize_t n = read(fd, out + length, size - 1 - length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) result = -errno;
    if (n <= 0) break;
    length += (size_t)n;
  }
  out[length] = '\0';
  (void)close(fd);
  return result;
}

int write_text(int dir_fd, const char* path, const char* text) {
  int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t n = write(fd, text, strlen(text));
  int result = n < 0 ? -errno : 0;
  (void)close(fd);
  return result;
}
