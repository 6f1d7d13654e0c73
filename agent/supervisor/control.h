// control.sock: commands, and the clients attached to the console. README.md has the protocol.
//
// A client is never waited for. Output that doesn't fit into its buffer is dropped for that client alone, and marked.
#pragma once

#include <poll.h>

#include "client.h"
#include "console.h"
#include "supervisor.h"

enum {
  kMaxAttached = 8,  // clients attached to the console at once
  kMaxClients = 12,  // including those that only send a command: status and kill work when all places are attached
  kCommandTimeoutMs = 5000
};

// What the commands need from the rest of the supervisor.
typedef struct ControlHost {
  void* context;
  size_t (*status)(void* context, char* out, size_t size);  // writes JSON without a line end; returns its length
  void (*kill_all)(void* context);
  int (*send_signal)(void* context, int number);  // 0 or -errno
} ControlHost;

typedef struct Control {
  int fd;
  Console* console;
  ControlHost host;
  Client clients[kMaxClients];
} Control;

// Makes control.sock (mode 0600) in the working folder and listens.
int control_open(Control* control, Console* console, ControlHost host, Failure* failure);

// Fills up to 1 + kMaxClients entries; pass them to control_handle() in the same order.
size_t control_poll(const Control* control, struct pollfd* out);
void control_handle(Control* control, const struct pollfd* polled, size_t count, int64_t now);

// Closes clients that never sent a command. Returns the time of the next call; -1: none needed.
int64_t control_tick(Control* control, int64_t now);

// A ConsoleSink: output for all attached clients. `context` is the Control.
void control_broadcast(void* context, const void* data, size_t length);

// Gives attached clients up to `limit_ms` to receive their output, then closes all of them and removes the socket.
void control_close(Control* control, int limit_ms);

// The clients that are attached and haven't hung up.
int control_attached(const Control* control);
