// Identifies processes by pid and start time: a pid alone may belong to another process by now.
#pragma once

#include <cstdint>

#include "qarax/core/files.hpp"

namespace qarax::agent {

struct ProcessId {
  std::int32_t pid = 0;
  std::int64_t start_time = 0;  // field 22 of /proc/<pid>/stat, in clock ticks since boot
  bool operator==(const ProcessId&) const = default;
};

// A pidfd of exactly that process, readable once it has ended. Empty if it is gone already (a zombie isn't gone).
core::Fd open_pidfd(const ProcessId& id);
// A pidfd of whatever process has that pid now; empty if none has. Check what process it is only after this call:
// either /proc then describes the pidfd's process, or that process has ended and no signal through the pidfd hits
// anybody.
core::Fd open_pidfd_of(std::int32_t pid);
// Pass errno after one of these returned an empty pidfd. True: descriptors or memory ran out, so nothing is known of
// the process.
bool is_shortage(int error);
bool has_ended(const core::Fd& pidfd);
// False for a zombie, too.
bool is_alive(const ProcessId& id);
void send_signal(const core::Fd& pidfd, int signal);
// Reaps a child of this process by its pidfd. No effect if it isn't a child or still runs.
void reap(const core::Fd& pidfd);

}  // namespace qarax::agent
