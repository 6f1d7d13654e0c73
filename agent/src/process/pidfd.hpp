// Processes by identity: a pid alone may be somebody else's by now, a pid with its start time is not.
#pragma once

#include <cstdint>

#include "qarax/core/files.hpp"

namespace qarax::agent {

struct ProcessId {
  std::int32_t pid = 0;
  std::int64_t start_time = 0;  // field 22 of /proc/<pid>/stat
  bool operator==(const ProcessId&) const = default;
};

// A pidfd of exactly that process, readable once it has ended; empty when it is gone already (a zombie isn't).
core::Fd open_pidfd(const ProcessId& id);
// A pidfd of whoever has that number now. Who that is has to be looked at behind this: what /proc tells of the number
// is of that process then, or it has ended and no signal reaches anybody.
core::Fd open_pidfd_of(std::int32_t pid);
// Of errno after an empty one: nothing could be looked at, so nothing is known.
bool is_shortage(int error);
bool has_ended(const core::Fd& pidfd);
// False for a zombie too.
bool is_alive(const ProcessId& id);
void send_signal(const core::Fd& pidfd, int signal);
// Reaps an own child by its pidfd; nothing happens when it isn't ours or runs on.
void reap(const core::Fd& pidfd);

}  // namespace qarax::agent
