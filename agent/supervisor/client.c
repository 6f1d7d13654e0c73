// A client's output (contract: client.h).
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

size_t client_put(Client* client, const void* data, size_t length) {
  if (client->start > 0 && client->start + client->length + length > kClientBuffer) {
    memmove(client->buffer, client->buffer + client->start, client->length);
    client->start = 0;
  }
  size_t room = kClientBuffer - client->start - client->length;
  if (length > room) length = room;
  memcpy(client->buffer + client->start + client->length, data, length);
  client->length += length;
  return length;
}

// Loads the next piece of the log. At its end the client goes live; there is one thread, so no output can come in
// between.
static void fill_from_log(const ConsoleLog* log, Client* client) {
  if (client->position < log->oldest) {
    client->dropped += (uint64_t)(log->oldest - client->position);
    client->position = log->oldest;
    return;
  }
  client->start = 0;
  client->length = log_read(log, client->position, client->buffer, kClientBuffer);
  client->position += (int64_t)client->length;
  if (client->length > 0) return;
  client->dropped += (uint64_t)(log_end(log) - client->position) + log->pending;
  client->position = -1;
}

bool client_has_output(const Client* client) {
  return client->length > 0 || client->dropped > 0 || client->position >= 0;
}

bool client_flush(const ConsoleLog* log, Client* client) {
  for (;;) {
    if (client->length == 0) {
      if (client->dropped > 0) {
        char marker[64];
        client->start = 0;
        (void)client_put(client, marker, format_dropped(marker, client->dropped));
        client->dropped = 0;
      } else if (client->position >= 0) {
        fill_from_log(log, client);
        continue;
      } else {
        client->start = 0;
        return true;
      }
    }
    ssize_t n = send(client->fd, client->buffer + client->start, client->length, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    client->start += (size_t)n;
    client->length -= (size_t)n;
  }
}

static void drop_output(Client* client) {
  if (client->buffer != NULL) (void)munmap(client->buffer, kClientBuffer);
  client->buffer = NULL;
  client->start = 0;
  client->length = 0;
  client->dropped = 0;
  client->position = -1;
}

bool client_hang_up(Client* client) {
  client->hung_up = true;
  drop_output(client);
  char next = 0;
  ssize_t n = recv(client->fd, &next, sizeof next, MSG_PEEK);
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

void client_close(Client* client) {
  (void)close(client->fd);
  drop_output(client);
  memset(client, 0, sizeof *client);
}
