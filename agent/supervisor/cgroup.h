// The cgroup v2 folder of one VM: DIR/vmm for the VMM and all it forks, DIR/sup for the supervisor.
#pragma once

#include "supervisor.h"

typedef struct Cgroup {
  const char* dir;  // NULL: no cgroup is used
  int vmm_fd;       // DIR/vmm, -1 without one
  bool is_used;     // DIR/vmm was there before: things may have been killed in it
} Cgroup;

// Makes the folders. On failure nothing of it is left.
int cgroup_open(Cgroup* cgroup, const char* dir, Failure* failure);

// fork() into DIR/vmm, with `*inside` saying whether the child is there already: born in a group costs nothing, while a
// move waits for an RCU grace period, 5 to 20 ms. Where the kernel or a sandbox has no clone3, or the group was used
// before, the child moves itself.
pid_t cgroup_fork(const Cgroup* cgroup, bool* inside);

// Moves the calling process to DIR/vmm; 0 or -errno. For the child, between fork and exec.
int cgroup_enter_vmm(const Cgroup* cgroup);

// Moves the calling process to DIR/sup; 0 or -errno. Takes as long as a move does, so it is done when nobody waits.
int cgroup_enter_sup(const Cgroup* cgroup);

// Gives the folders up before anything is in them.
void cgroup_forgo(Cgroup* cgroup);

// SIGKILL to everything in DIR/vmm.
void cgroup_kill(const Cgroup* cgroup);

// Whether a process is left in DIR/vmm; false without a cgroup.
bool cgroup_populated(const Cgroup* cgroup);

// Removes DIR/vmm. DIR and DIR/sup are the agent's to remove afterwards.
void cgroup_remove_vmm(Cgroup* cgroup);
