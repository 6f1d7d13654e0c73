// control.sock: commands, and the clients attached to the console. README.md has the protocol.
//
// A client is never waited for: what doesn't fit into its buffer is dropped for this client alone, and marked.
#pragma once

#include <poll.h>

#include "console.h"
#include "supervisor.h"

enum {
  kMaxAttached = 8,       // clients attached to the console at once
  kMaxClients = 12,       // with those that only send a command: status and kill work when all places are taken
  kClientBuffer = 65536,  // output kept for a slow client
  kCommandTimeoutMs = 5000
};

// What commands need of the rest.
typedef struct ControlHost {
  void* context;
  size_t (*status)(void* context, char* out, size_t size);  // one line of JSON without its end; returns its length
  void (*kill_all)(void* context);
  int (*send_signal)(void* context, int number);  // 0 or -errno
} ControlHost;

typedef enum ClientState { kFree = 0, kCommand, kAttached } ClientState;

typedef struct Client {
  ClientState state;
  int fd;
  bool input_ended;  // it will send no more, but still listens
  int64_t deadline;  // of its command
  size_t line_length;
  char line[128];
  char* buffer;  // kClientBuffer bytes, mapped while attached
  size_t start;
  size_t length;
  uint64_t dropped;  // not yet marked
  int64_t position;  // in the log while it is sent the tail; -1: live
} Client;

typedef struct Control {
  int fd;
  Console* console;
  ControlHost host;
  Client clients[kMaxClients];
} Control;

// Makes control.sock (mode 0600) in the working folder and listens.
int control_open(Control* control, Console* console, ControlHost host, Failure* failure);

// Fills up to 1 + kMaxClients entries; control_handle() wants them back in the same order.
size_t control_poll(const Control* control, struct pollfd* out);
void control_handle(Control* control, const struct pollfd* polled, size_t count, int64_t now);

// Closes clients that never said what they want. Returns when to be called again, -1: no need.
int64_t control_tick(Control* control, int64_t now);

// A ConsoleSink: output for all attached clients. `context` is the Control.
void control_broadcast(void* context, const void* data, size_t length);

// Gives attached clients up to `limit_ms` to take what is theirs, then closes all and removes the socket.
void control_close(Control* control, int limit_ms);

int control_attached(const Control* control);
