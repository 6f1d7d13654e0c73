// The files of the run folder that say who runs and how it ended, and the lock that says that the supervisor lives.
//
// All names are relative: the working folder is the run folder. What write_exit() returns 0 for is on disk: the file's
// data, then its name. write_identity() returns when the data is; the name, which nobody reads after the host's end,
// waits for settle_records().
#pragma once

#include "supervisor.h"

// Takes supervisor.lock for the life of the process and writes "PID START\n" into it. EWOULDBLOCK: another one holds
// it.
int take_lock(const Identity* identity, Failure* failure);

// Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process; 0 when there is no such process.
uint64_t start_time(pid_t pid);

int read_boot_id(char out[40], Failure* failure);

// supervisor.json. Removes the exit record of an earlier run first, so that a stale one is never taken for this run's.
int write_identity(const Identity* identity, Failure* failure);

// The folder's entries on disk, and those of the folders above it up to the VM's own. Complains where that fails.
void settle_records(void);

// Takes supervisor.json back after a start that failed: no VMM ever ran here.
void remove_identity(void);

// Sets the room for exit.json aside while there is some; -1 when there is none (the record is then tried without).
int reserve_exit_record(void);

typedef struct ConsoleCounters {
  uint64_t bytes;    // received from the guest
  uint64_t dropped;  // of them, never written to the log
} ConsoleCounters;

// exit.json, through the descriptor of reserve_exit_record().
int write_exit(int reserved_fd, const Identity* identity, const ExitStatus* status, const ConsoleCounters* console);
