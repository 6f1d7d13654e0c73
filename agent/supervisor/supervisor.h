// What the files of qarax-supervisor share: the options, the state of one supervised VMM, and small helpers.
//
// The supervisor is one single-threaded process for each VM. It starts the VMM, keeps its console and its exit status
// while nobody else is there to do so, and ends when no process of the VM is left. README.md has the protocol and the
// files. Nothing here allocates, except the clients' output buffers and the C library's directory reader.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  kFormat = 1,              // of every file and reply; raised with any change that older readers must know about
  kMinReader = 1,           // the oldest reader that still understands them
  kMaxFds = 64,             // descriptors passed to the VMM
  kFirstPassedFd = 4,       // 3 is the ready pipe
  kReadyFd = 3,             //
  kMaxTargetFd = 1023,      //
  kStragglerGraceMs = 1000  // how long children may outlive the VMM before they are killed
};

// Exit status of the supervisor itself.
enum { kExitDone = 0, kExitUsage = 2, kExitLocked = 3, kExitStartFailed = 4 };

// Why a step failed: an errno value and a sentence that names the object.
typedef struct Failure {
  int error;
  char what[400];
} Failure;

// Fills `failure` and returns -1, so that a step can end with `return fail(…)`.
int fail(Failure* failure, int error, const char* format, ...) __attribute__((format(printf, 3, 4)));

typedef struct Options {
  const char* dir;
  const char* cgroup;           // NULL: none
  bool cgroup_optional;         //
  const char* console_connect;  // NULL: the VM has no console
  int64_t log_max;              //
  size_t fd_count;              //
  int fd_targets[kMaxFds];      // the number each passed descriptor has in the VMM
  bool env_clear;               //
  bool version;                 // print it and end
  char** argv;                  // of the VMM, NULL-terminated
} Options;

int parse_options(int argc, char** argv, Options* options, Failure* failure);

// Identifies VMM and supervisor. A pid alone proves nothing, so it always comes with the start time (field 22 of
// /proc/PID/stat) and the boot id.
typedef struct Identity {
  pid_t vmm_pid;
  uint64_t vmm_start_time;
  pid_t supervisor_pid;
  uint64_t supervisor_start_time;
  char boot_id[40];
} Identity;

// How the VMM ended, and when.
typedef struct ExitStatus {
  int code;    // exit code, 0 when a signal ended it
  int signal;  // 0 when it exited by itself
  bool core;
  char at[48];
  int64_t boottime_ns;
} ExitStatus;

// util.c
int64_t monotonic_ms(void);
void format_now(char out[48]);                                   // RFC 3339, UTC, milliseconds
int read_text(const char* path, char* out, size_t size);         // whole small file, NUL-terminated; -errno
int write_text(int dir_fd, const char* path, const char* text);  // into an existing file (/proc, cgroup); -errno
void complain(const char* format, ...) __attribute__((format(printf, 1, 2)));  // one line to stderr
