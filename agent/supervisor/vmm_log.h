// vmm.log: what the VMM (and, prefixed, the supervisor) writes to stdout and stderr. A file, because a pipe whose
// reader is gone or slow would hold the VMM up. Begun anew with each run.
#pragma once

#include "supervisor.h"

enum {
  kVmmLogMax = 1 << 20,  // beyond it the file is copied to vmm.log.1 and begun again
  // How often its size is looked at: often while it grows. A watch by inotify would spare this, but giving it up waits
  // for a grace period of the kernel, which made every VM end some 20 ms later.
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

// Cuts the file if it is too long.
void vmm_log_check(VmmLog* log);

// Checks when it is time. Returns when to be called again.
int64_t vmm_log_tick(VmmLog* log, int64_t now);
