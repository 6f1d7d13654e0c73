// vmm.log: what the VMM (and, prefixed, the supervisor) writes to stdout and stderr. A file, because a pipe whose
// reader is gone or slow would hold the VMM up. Begun anew with each run.
#pragma once

#include "supervisor.h"

enum { kVmmLogMax = 1 << 20 };  // beyond it the file is copied to vmm.log.1 and begun again

typedef struct VmmLog {
  int fd;      // vmm.log, for appending and reading
  int notify;  // readable when the file has been written to; -1: not watched, so not bounded
} VmmLog;

int vmm_log_open(VmmLog* log, Failure* failure);

// Call when `notify` is readable.
void vmm_log_check(VmmLog* log);
