// The cgroup v2 folder of one VM: DIR/vmm for the VMM and all it forks, DIR/sup for the supervisor.
#pragma once

#include "supervisor.h"

typedef struct Cgroup {
  const char* dir;  // NULL: no cgroup is used
  int vmm_fd;       // DIR/vmm, -1 without one
  bool is_used;     // DIR/vmm existed before, so processes may have been killed in it
} Cgroup;

// Makes the folders. After a failure none of them is left.
int cgroup_open(Cgroup* cgroup, const char* dir, Failure* failure);

// Forks into DIR/vmm. `*inside` says whether the child is there already: cloning into a cgroup costs nothing, while a
// move waits 5 to 20 ms for an RCU grace period. If clone3 isn't available (old kernel, sandbox), or the group was used
// before, the child has to move itself.
pid_t cgroup_fork(const Cgroup* cgroup, bool* inside);

// Moves the calling process to DIR/vmm; 0 or -errno. For the child, between fork and exec.
int cgroup_enter_vmm(const Cgroup* cgroup);

// Moves the calling process to DIR/sup; 0 or -errno. A move takes 5 to 20 ms, so call it when nobody waits.
int cgroup_enter_sup(const Cgroup* cgroup);

// Gives up the use of the cgroup and removes its folders, as long as they are empty.
void cgroup_forgo(Cgroup* cgroup);

// SIGKILL to everything in DIR/vmm.
void cgroup_kill(const Cgroup* cgroup);

// Whether a process is left in DIR/vmm; false without a cgroup.
bool cgroup_populated(const Cgroup* cgroup);

// Removes DIR/vmm. DIR and DIR/sup are the agent's to remove afterwards.
void cgroup_remove_vmm(Cgroup* cgroup);
