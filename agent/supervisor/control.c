// Control socket (contract: control.h).
#include "control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char kSocketName[] = "control.sock";

int control_open(Control* control, Console* console, ControlHost host, Failure* failure) {
  memset(control, 0, sizeof *control);
  control->console = console;
  control->host = host;
  control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (control->fd < 0) return fail(failure, errno, "make a socket");
  // A relative name, so that the length of the run folder's path doesn't matter. The mode is set before the name
  // exists.
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, kSocketName, sizeof kSocketName);
  if (unlink(kSocketName) != 0 && errno != ENOENT) return fail(failure, errno, "remove the old %s", kSocketName);
  if (fchmod(control->fd, 0600) != 0 || bind(control->fd, (const struct sockaddr*)&address, sizeof address) != 0 ||
      listen(control->fd, 16) != 0)
    return fail(failure, errno, "listen on %s", kSocketName);
  return 0;
}

static void close_client(Client* client) {
  (void)close(client->fd);
  if (client->buffer != NULL) (void)munmap(client->buffer, kClientBuffer);
  memset(client, 0, sizeof *client);
}

int control_attached(const Control* control) {
  int count = 0;
  for (int i = 0; i < kMaxClients; ++i) count += control->clients[i].state == kAttached ? 1 : 0;
  return count;
}

// Appends to the waiting output what fits; returns how much that was.
static size_t put(Client* client, const void* data, size_t length) {
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
static void fill_from_log(const Control* control, Client* client) {
  const ConsoleLog* log = &control->console->log;
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

// Sends what the client accepts now. Returns false if it is gone.
static bool flush(const Control* control, Client* client) {
  for (;;) {
    if (client->length == 0) {
      if (client->dropped > 0) {
        char marker[64];
        client->start = 0;
        (void)put(client, marker, format_dropped(marker, client->dropped));
        client->dropped = 0;
      } else if (client->position >= 0) {
        fill_from_log(control, client);
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

void control_broadcast(void* context, const void* data, size_t length) {
  Control* control = context;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    if (client->state != kAttached || client->position >= 0) continue;  // it gets this output from the log
    // After dropped bytes nothing may follow before their marker, which is sent once the buffer is empty.
    size_t done = client->dropped > 0 ? 0 : put(client, data, length);
    client->dropped += length - done;
    if (!flush(control, client)) close_client(client);
  }
}

// Replies fit into an empty socket's buffer. A client whose buffer isn't empty may get none.
static void reply_and_close(Client* client, const char* text) {
  (void)send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
  close_client(client);
}

static void attach(Control* control, Client* client, int64_t tail) {
  if (!control->console->enabled) {
    reply_and_close(client, "error this VM has no console\n");
    return;
  }
  if (control_attached(control) >= kMaxAttached) {
    reply_and_close(client, "error 8 clients are attached already\n");
    return;
  }
  char* buffer = mmap(NULL, kClientBuffer, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED) {
    reply_and_close(client, "error out of memory\n");
    return;
  }
  client->buffer = buffer;
  client->state = kAttached;
  int64_t end = log_end(&control->console->log);
  client->position = tail > 0 ? (end > tail ? end - tail : 0) : -1;
  (void)put(client, "ok\n", 3);
}

// The number that makes up all of `text`, or -1.
static int64_t number_of(const char* text) {
  char* end = NULL;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  return errno != 0 || end == text || *end != '\0' || *text == ' ' || value < 0 ? -1 : (int64_t)value;
}

static void send_signal(Control* control, Client* client, const char* argument) {
  int64_t number = number_of(argument);
  char reply[96];
  if (number < 1 || number >= NSIG) {
    (void)snprintf(reply, sizeof reply, "error signal: expected a number from 1 to %d\n", NSIG - 1);
  } else {
    int error = control->host.send_signal(control->host.context, (int)number);
    (void)snprintf(reply, sizeof reply, error == 0 ? "ok\n" : "error signal %d: %s\n", (int)number, strerror(-error));
  }
  reply_and_close(client, reply);
}

static void run_command(Control* control, Client* client) {
  const char* line = client->line;
  char reply[1024];
  if (strcmp(line, "attach") == 0) {
    attach(control, client, 0);
  } else if (strncmp(line, "attach tail ", 12) == 0) {
    int64_t tail = number_of(line + 12);
    if (tail < 0)
      reply_and_close(client, "error attach tail: expected a number of bytes\n");
    else
      attach(control, client, tail);
  } else if (strcmp(line, "status") == 0) {
    size_t length = control->host.status(control->host.context, reply, sizeof reply - 1);
    reply[length] = '\n';
    reply[length + 1] = '\0';
    reply_and_close(client, reply);
  } else if (strcmp(line, "kill") == 0) {
    control->host.kill_all(control->host.context);
    reply_and_close(client, "ok\n");
  } else if (strncmp(line, "signal ", 7) == 0) {
    send_signal(control, client, line + 7);
  } else {
    for (char* at = client->line; *at != '\0'; ++at)
      if ((unsigned char)*at < ' ') *at = '?';
    (void)snprintf(reply, sizeof reply,
                   "error unknown command %s; known: attach, attach tail N, status, kill, signal N\n", line);
    reply_and_close(client, reply);
  }
}

// Returns false if the client is gone.
static bool read_command(Control* control, Client* client) {
  char* line = client->line;
  // Peeks first, so that what follows the line stays in the socket as console input.
  ssize_t n = recv(client->fd, line + client->line_length, sizeof client->line - client->line_length, MSG_PEEK);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  char* end = memchr(line + client->line_length, '\n', (size_t)n);
  size_t taken = end == NULL ? (size_t)n : (size_t)(end - (line + client->line_length)) + 1;
  (void)recv(client->fd, line + client->line_length, taken, 0);
  client->line_length += taken;
  if (end != NULL) {
    *end = '\0';
    run_command(control, client);
    return true;
  }
  if (client->line_length == sizeof client->line) reply_and_close(client, "error the command is too long\n");
  return true;
}

static bool read_input(Control* control, Client* client) {
  char data[kInputMax];
  size_t room = console_input_room(control->console);
  if (room == 0) return true;
  ssize_t n = recv(client->fd, data, room, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) client->input_ended = true;
  console_input(control->console, data, (size_t)n);
  return true;
}

static void accept_client(Control* control, int64_t now) {
  int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    if (client->state != kFree) continue;
    *client = (Client){.state = kCommand, .fd = fd, .deadline = now + kCommandTimeoutMs, .position = -1};
    return;
  }
  static const char kFull[] = "error too many clients\n";
  (void)send(fd, kFull, sizeof kFull - 1, MSG_NOSIGNAL);
  (void)close(fd);
}

static short wanted(const Control* control, const Client* client) {
  if (client->state == kCommand) return POLLIN;
  short events = 0;
  if (!client->input_ended && console_input_room(control->console) > 0) events |= POLLIN;
  if (client->length > 0 || client->dropped > 0 || client->position >= 0) events |= POLLOUT;
  return events;
}

size_t control_poll(const Control* control, struct pollfd* out) {
  out[0] = (struct pollfd){.fd = control->fd, .events = POLLIN};
  for (int i = 0; i < kMaxClients; ++i) {
    const Client* client = &control->clients[i];
    bool used = client->state != kFree;
    out[i + 1] = (struct pollfd){.fd = used ? client->fd : -1, .events = used ? wanted(control, client) : 0};
  }
  return 1 + kMaxClients;
}

void control_handle(Control* control, const struct pollfd* polled, size_t count, int64_t now) {
  for (size_t i = 1; i < count; ++i) {
    Client* client = &control->clients[i - 1];
    // A broadcast in between may have closed the client.
    if (polled[i].revents == 0 || client->state == kFree || client->fd != polled[i].fd) continue;
    short events = polled[i].revents;
    bool alive = true;
    if (client->state == kCommand) {
      alive = read_command(control, client);
    } else {
      if ((events & POLLIN) != 0) alive = read_input(control, client);
      if (alive && (events & POLLOUT) != 0) alive = flush(control, client);
      // The client has closed the connection and not only its input. What it sent before is read first.
      if (alive && (events & (POLLHUP | POLLERR)) != 0 && (events & POLLIN) == 0) alive = false;
    }
    if (!alive) close_client(client);
  }
  if ((polled[0].revents & POLLIN) != 0) accept_client(control, now);
}

int64_t control_tick(Control* control, int64_t now) {
  int64_t next = -1;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    if (client->state != kCommand) continue;
    if (now >= client->deadline)
      reply_and_close(client, "error no command came\n");
    else if (next < 0 || client->deadline < next)
      next = client->deadline;
  }
  return next;
}

void control_close(Control* control, int limit_ms) {
  int64_t deadline = monotonic_ms() + limit_ms;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    while (client->state == kAttached && flush(control, client) && wanted(control, client) & POLLOUT) {
      int64_t left = deadline - monotonic_ms();
      struct pollfd polled = {.fd = client->fd, .events = POLLOUT};
      if (left <= 0 || poll(&polled, 1, (int)left) == 0) break;
    }
    if (client->state != kFree) close_client(client);
  }
  (void)close(control->fd);
  (void)unlink(kSocketName);
}
