// The VMM as a process: forked first, identified on disk, and only then executed.
#pragma once

#include "cgroup.h"
#include "supervisor.h"

typedef struct Vmm {
  pid_t pid;
  int go_fd;      // a byte lets the child exec; closing it makes the child end
  int status_fd;  // end of file: exec succeeded; else a Failure
} Vmm;

// Forks the child, which prepares itself (session, cgroup, signals, descriptors, oom score, umask) and then waits.
// `log_fd` becomes its stdout and stderr. The passed descriptors are closed in the caller when this returns 0.
int vmm_fork(Vmm* vmm, const Options* options, const Cgroup* cgroup, int log_fd, Failure* failure);

// Lets the child exec and waits until it has. On failure the child is reaped.
int vmm_release(Vmm* vmm, Failure* failure);

// Ends the waiting child and reaps it.
void vmm_abandon(Vmm* vmm);

// Sends SIGKILL to each direct child of this process. Because this process is a subreaper, orphans become direct
// children, so repeating it until no child is left reaches every descendant.
void kill_children(void);
