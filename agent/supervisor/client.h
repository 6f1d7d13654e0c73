// One client of control.sock: the output that waits for it, and its end.
//
// A client may hang up while the guest's input buffer is full. Then what it has sent is still in its socket, and is
// passed on as the guest takes it; only after that the client is closed.
#pragma once

#include "log.h"
#include "supervisor.h"

enum { kClientBuffer = 65536 };  // output kept for a slow client

typedef enum ClientState { kFree = 0, kCommand, kAttached } ClientState;

typedef struct Client {
  ClientState state;
  int fd;
  bool input_ended;  // it sends no more input, but still receives output
  bool hung_up;      // it receives no more output, but its input isn't read to its end yet
  int64_t deadline;  // for its command
  size_t line_length;
  char line[128];
  char* buffer;  // kClientBuffer bytes, mapped while attached
  size_t start;
  size_t length;
  uint64_t dropped;  // bytes that were dropped and not marked yet
  int64_t position;  // in the log, while the tail is being sent; -1: live output
} Client;

// Appends to the waiting output what fits; returns how much that was.
size_t client_put(Client* client, const void* data, size_t length);

bool client_has_output(const Client* client);

// Sends what the client accepts now. Returns false if it takes no more.
bool client_flush(const ConsoleLog* log, Client* client);

// It takes no more output. Returns false if none of its input is left either.
bool client_hang_up(Client* client);

void client_close(Client* client);
