// Enlarges the VMM's end of the console connection (contract: room.h).
#include "room.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

enum { kMostDescriptors = 1024 };

static bool is_peer(int fd, const struct sockaddr_un* name, socklen_t length) {
  struct sockaddr_un peer;
  socklen_t size = sizeof peer;
  return getpeername(fd, (struct sockaddr*)&peer, &size) == 0 && size == length && memcmp(&peer, name, length) == 0;
}

bool make_room(pid_t vmm, int fd) {
  struct sockaddr_un name;
  socklen_t length = sizeof name;
  if (getsockname(fd, (struct sockaddr*)&name, &length) != 0 || length <= sizeof name.sun_family) return false;
  int process = (int)syscall(SYS_pidfd_open, vmm, 0);
  bool found = false;
  bool roomy = false;
  for (int number = 0; process >= 0 && !found && number < kMostDescriptors; ++number) {
    int copy = (int)syscall(SYS_pidfd_getfd, process, number, 0);
    if (copy < 0) continue;
    if (is_peer(copy, &name, length)) {
      found = true;
      int size = kConsoleRoom;
      roomy = setsockopt(copy, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == 0;
      // This call needs no privilege; the kernel limits the size.
      if (!roomy) (void)setsockopt(copy, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    (void)close(copy);  // a copy that stays open would hide the VMM's hang-up
  }
  if (process >= 0) (void)close(process);
  return roomy;
}
