// The files of the run folder that say who runs and how it ended, and the lock that shows that the supervisor lives.
//
// All names are relative: the working folder is the run folder. When write_exit() returns 0, the file's data and its
// name are on disk. write_identity() waits for the data only. Its name is of no use after the host's end, so
// settle_records() syncs it later.
#pragma once

#include "supervisor.h"

// Takes supervisor.lock for the life of the process and writes "PID START\n" into it. EWOULDBLOCK: another supervisor
// holds it.
int take_lock(const Identity* identity, Failure* failure);

// Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process; 0 when there is no such process.
uint64_t start_time(pid_t pid);

int read_boot_id(char out[40], Failure* failure);

// supervisor.json. Removes the exit record of an earlier run first, so that a stale one is never taken for this run's.
int write_identity(const Identity* identity, Failure* failure);

// Syncs the run folder and the folders above it, up to the VM's own. Complains about failures.
void settle_records(void);

// Removes supervisor.json after a start that failed: no VMM ever ran here.
void remove_identity(void);

// Reserves disk space for exit.json. -1: there is none, and write_exit() then tries without a reservation.
int reserve_exit_record(void);

typedef struct ConsoleCounters {
  uint64_t bytes;    // received from the guest
  uint64_t dropped;  // of them, those never written to the log
} ConsoleCounters;

// Writes exit.json, through the descriptor of reserve_exit_record().
int write_exit(int reserved_fd, const Identity* identity, const ExitStatus* status, const ConsoleCounters* console);
