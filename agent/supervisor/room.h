// Makes room in the console's socket for what the guest writes while this process waits for a CPU.
//
// A serial port is written byte by byte. Each byte becomes a message, which the kernel counts as 768 bytes, so a socket
// of the usual size holds 278 of them. A VMM that finds the socket full waits. A guest's kernel that prints waits 10 ms
// for its port, then overwrites, and the lost output is never noticed.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { kConsoleRoom = 4 << 20 };  // doubled by the kernel: room for some ten thousand console bytes

// `fd`: this side of a connection that the VMM has accepted; it must have been bound to a name before it was connected.
// The other side is found among the VMM's descriptors and enlarged: to kConsoleRoom with CAP_NET_ADMIN, else up to the
// system's limit. Returns whether it has kConsoleRoom.
bool make_room(pid_t vmm, int fd);
