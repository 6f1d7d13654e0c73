// The connection to the VMM's console socket: passes output to the log and the attached clients, and their input to the
// guest.
//
// The guest must never wait: its output is read whenever there is some, even if it then has to be dropped. A VMM writes
// the console byte by byte, and a wake-up for each byte would cost a booting guest more than the reading itself. So
// after the first bytes the supervisor doesn't read for kGatherMs and lets output gather in the socket, if the socket
// has room for it (room.h).
#pragma once

#include <poll.h>
#include <sys/types.h>
#include <time.h>

#include "log.h"
#include "record.h"
#include "supervisor.h"

enum { kInputMax = 4096, kReconnectFirstMs = 50, kReconnectLastMs = 1000, kFirstTryMs = 5, kFirstTriesMs = 10000 };
enum { kGatherMs = 2 };

// Called for output that was just written to the log, to pass it on to the attached clients.
typedef void (*ConsoleSink)(void* context, const void* data, size_t length);

typedef struct SocketFile {
  ino_t inode;
  struct timespec made;
} SocketFile;

typedef struct Console {
  bool enabled;
  int dir_fd;            // the socket's folder, because its path may be longer than an address holds
  char name[100];        // the socket in it
  int fd;                // -1: not connected
  SocketFile file;       // the socket file that it was connected to
  pid_t vmm;             // its pid, set before the first output is read; 0: not known
  bool room_sought;      // make_room() was called for this connection
  bool roomy;            // and there is room: output may gather
  int64_t gather_until;  // output isn't read before this time
  int64_t retry_at;
  int backoff_ms;
  bool connected_once;
  int64_t eager_until;  // until then a socket that is about to appear is tried every few milliseconds
  uint64_t reconnects;
  ConsoleCounters counters;
  ConsoleLog log;
  size_t input_length;
  char input[kInputMax];
  ConsoleSink sink;
  void* sink_context;
} Console;

// Call it before the working folder changes: `socket_path` may be relative. Doesn't connect yet.
int console_prepare(Console* console, const char* socket_path, Failure* failure);

// Begins the log and connects for the first time. The VMM needn't have accepted yet, because the backlog holds the
// connection. If the VMM hasn't made its socket yet, it is looked for every few milliseconds, so that no output is
// missed.
int console_start(Console* console, int64_t log_max, Failure* failure);

// The poll entry for the connection; its fd is -1 if there is none.
struct pollfd console_poll(const Console* console, int64_t now);
void console_handle(Console* console, short events, int64_t now);

// Call this at a SIGIO, when something was created in the socket's folder. A VMM may create its socket again with its
// guest and never close the earlier connection (Cloud Hypervisor v44 doesn't at a reboot). The socket that has the name
// now is the valid one.
void console_folder_changed(Console* console, int64_t now);

// Reconnects when it is time, and resumes reading after output was left to gather. Returns the time of the next call;
// -1: none needed.
int64_t console_tick(Console* console, int64_t now);

// Input for the guest: the room in bytes, and a call that takes as much of `data` as fits.
size_t console_input_room(const Console* console);
void console_input(Console* console, const void* data, size_t length);

// The VMM is gone: reads the output that is left, and closes the connection.
void console_drain(Console* console);
