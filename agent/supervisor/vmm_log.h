// vmm.log: what the VMM (and, prefixed, the supervisor) writes to stdout and stderr. It is a file, because a pipe whose
// reader is gone or slow would block the VMM. Each run begins it anew.
#pragma once

#include "supervisor.h"

enum {
  // Interval of looking at the file's size, short while it grows. An inotify watch would spare this, but its removal
  // waits for a grace period of the kernel, which made every VM end about 20 ms later.
  kVmmLogFirstMs = 250,
  kVmmLogLastMs = 5000
};

typedef struct VmmLog {
  int fd;  // vmm.log, for appending and reading
  int64_t size;
  int interval_ms;
  int64_t next_at;
} VmmLog;

int vmm_log_open(VmmLog* log, Failure* failure);

// Cuts the file if it is too long (log_cut.h).
void vmm_log_check(VmmLog* log);

// Checks if it is time. Returns the time of the next call.
int64_t vmm_log_tick(VmmLog* log, int64_t now);
