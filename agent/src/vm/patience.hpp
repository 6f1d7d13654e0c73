// How long the agent waits for what it ends itself, whatever time a command has left.
#pragma once

#include <cstdint>

namespace qarax::agent {

// From SIGKILL until nothing of a VM runs. The kernel first frees the guest's memory and finishes the I/O that is under
// way. A process that takes longer is stuck in the kernel, and the caller is told that the VM couldn't be ended.
inline constexpr std::int64_t kKillMs = 10'000;

// The same for the VMM of a start that failed. Its guest has hardly run and has little to free, and the start's caller,
// whose deadline may have passed, still waits for the reason.
inline constexpr std::int64_t kFailedStartMs = 5'000;

// At the agent's end, what calls get to come back once they are cancelled. Beyond that their callers are answered; the
// next agent's recovery finds out what the calls did.
inline constexpr std::int64_t kCancelledMs = 500;

}  // namespace qarax::agent
