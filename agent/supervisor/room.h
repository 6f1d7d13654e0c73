// Room in the console's socket for what the guest writes while this process waits for a CPU.
//
// A serial port is written byte by byte, each byte a message of its own, which the kernel counts as 768: a socket of
// the usual size holds 278 of them. A VMM that finds it full waits; a guest's kernel that prints waits 10 ms for its
// port, then overwrites, and what it overwrites is gone without anybody's knowing.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { kConsoleRoom = 4 << 20 };  // doubled by the kernel: some ten thousand bytes

// `fd`: our end of a connection that the VMM has accepted, bound to a name before it was made. The other end is found
// among the VMM's descriptors and made larger: as far as asked where CAP_NET_ADMIN is there, else up to the system's
// limit. Returns whether it is as large as asked.
bool make_room(pid_t vmm, int fd);
