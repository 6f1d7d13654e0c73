// The cgroup v2 folder of one VM: DIR/vmm for the VMM and all it forks, DIR/sup for the supervisor.
#pragma once

#include "supervisor.h"

typedef struct Cgroup {
  const char* dir;  // NULL: no cgroup is used
  int vmm_fd;       // DIR/vmm, -1 without one
} Cgroup;

// Makes the folders and moves the calling process to DIR/sup. On failure nothing of it is left but the caller's place.
int cgroup_open(Cgroup* cgroup, const char* dir, Failure* failure);

// Moves the calling process to DIR/vmm; 0 or -errno. For the child, between fork and exec.
int cgroup_enter_vmm(const Cgroup* cgroup);

// SIGKILL to everything in DIR/vmm.
void cgroup_kill(const Cgroup* cgroup);

// Whether a process is left in DIR/vmm; false without a cgroup.
bool cgroup_populated(const Cgroup* cgroup);

// Removes DIR/vmm. DIR and DIR/sup are the agent's to remove afterwards.
void cgroup_remove_vmm(Cgroup* cgroup);
