// The connection to the VMM's console socket: output to the log and to the attached clients, their input to the guest.
//
// The guest is never held up: its output is read whenever there is some, whatever becomes of it then. A VMM writes a
// console byte by byte, and to be woken for each costs a guest that boots more than the reading: after the first bytes
// what follows is left to gather in the socket for kGatherMs, where the socket has the room (room.h).
#pragma once

#include <poll.h>
#include <sys/types.h>
#include <time.h>

#include "log.h"
#include "record.h"
#include "supervisor.h"

enum { kInputMax = 4096, kReconnectFirstMs = 50, kReconnectLastMs = 1000, kFirstTryMs = 5, kFirstTriesMs = 10000 };
enum { kGatherMs = 2 };

// Called for output that just went to the log, to pass it on to who is attached.
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
  SocketFile file;       // what it was connected to
  pid_t vmm;             // set before the first output is read; 0: not known
  bool room_sought;      // this connection's room was seen to
  bool roomy;            // and is there: output may gather
  int64_t gather_until;  // until then output isn't read
  int64_t retry_at;
  int backoff_ms;
  bool connected_once;
  int64_t eager_until;  // of a socket that is about to be there: how long to try every few milliseconds
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

// Begins the log and connects for the first time. The VMM needn't have accepted yet: the backlog takes the connection.
// A socket that isn't there yet is the VMM's to make: it is looked for every few milliseconds, so that nothing the
// guest says is missed.
int console_start(Console* console, int64_t log_max, Failure* failure);

// What to poll the connection for; fd -1 when there is none.
struct pollfd console_poll(const Console* console, int64_t now);
void console_handle(Console* console, short events, int64_t now);

// At a SIGIO: something was made in the socket's folder. A VMM may make its socket anew with its guest and never close
// the connection that it had before (Cloud Hypervisor v44 doesn't at a reboot): what counts is the one that has the
// name.
void console_folder_changed(Console* console, int64_t now);

// Reconnects when it is time, or reads on after output was left to gather. Returns when to be called again, -1: no
// need.
int64_t console_tick(Console* console, int64_t now);

// Input for the guest: how much there is room for, and what fits of it.
size_t console_input_room(const Console* console);
void console_input(Console* console, const void* data, size_t length);

// The VMM is gone: reads what it left, and closes.
void console_drain(Console* console);
