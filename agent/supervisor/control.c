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

int control_attached(const Control* control) {
  int count = 0;
  for (int i = 0; i < kMaxClients; ++i) {
    const Client* client = &control->clients[i];
    if (client->state == kAttached && !client->hung_up) ++count;
  }
  return count;
}

void control_broadcast(void* context, const void* data, size_t length) {
  Control* control = context;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    if (client->state != kAttached || client->hung_up) continue;
    if (client->position >= 0) continue;  // it gets this output from the log
    // After dropped bytes nothing may follow before their marker, which is sent once the buffer is empty.
    size_t done = client->dropped > 0 ? 0 : client_put(client, data, length);
    client->dropped += length - done;
    if (!client_flush(&control->console->log, client) && !client_hang_up(client)) client_close(client);
  }
}

// Replies fit into an empty socket's buffer. A client whose buffer isn't empty may get none.
static void reply_and_close(Client* client, const char* text) {
  (void)send(client->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
  client_close(client);
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
  (void)client_put(client, "ok\n", 3);
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
  return !client->input_ended || !client->hung_up;
}

// A free place, or that of a client that has hung up: a guest that takes no input must not keep newcomers out.
static Client* find_place(Control* control) {
  Client* hung_up = NULL;
  for (int i = 0; i < kMaxClients; ++i) {
    Client* client = &control->clients[i];
    if (client->state == kFree) return client;
    if (client->hung_up) hung_up = client;
  }
  if (hung_up == NULL) return NULL;
  complain("qarax-supervisor: console input was dropped: the guest takes none, and its sender's place was needed");
  client_close(hung_up);
  return hung_up;
}

static void accept_client(Control* control, int64_t now) {
  int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  Client* client = find_place(control);
  if (client != NULL) {
    *client = (Client){.state = kCommand, .fd = fd, .deadline = now + kCommandTimeoutMs, .position = -1};
    return;
  }
  static const char kFull[] = "error too many clients\n";
  (void)send(fd, kFull, sizeof kFull - 1, MSG_NOSIGNAL);
  (void)close(fd);
}

static short wanted(const Control* control, const Client* client) {
  if (client->state == kFree) return 0;
  if (client->state == kCommand) return POLLIN;
  short events = 0;
  if (!client->input_ended && console_input_room(control->console) > 0) events |= POLLIN;
  if (client_has_output(client)) events |= POLLOUT;
  return events;
}

// poll() reports a hang-up whatever it is asked for. So a client that has hung up is left out until there is room for
// its input, or the supervisor would never sleep.
static bool is_polled(const Client* client, short events) {
  return client->state != kFree && (!client->hung_up || events != 0);
}

size_t control_poll(const Control* control, struct pollfd* out) {
  out[0] = (struct pollfd){.fd = control->fd, .events = POLLIN};
  for (int i = 0; i < kMaxClients; ++i) {
    const Client* client = &control->clients[i];
    short events = wanted(control, client);
    out[i + 1] = (struct pollfd){.fd = is_polled(client, events) ? client->fd : -1, .events = events};
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
      // Closed by the client, and not only its input. What it sent before is still in the socket.
      bool hung_up = (events & (POLLHUP | POLLERR)) != 0;
      if (alive && !hung_up && (events & POLLOUT) != 0) hung_up = !client_flush(&control->console->log, client);
      if (alive && hung_up) alive = client_hang_up(client);
    }
    if (!alive) client_close(client);
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
    while (client->state == kAttached && client_flush(&control->console->log, client) && client_has_output(client)) {
      int64_t left = deadline - monotonic_ms();
      struct pollfd polled = {.fd = client->fd, .events = POLLOUT};
      if (left <= 0 || poll(&polled, 1, (int)left) == 0) break;
    }
    if (client->state != kFree) client_close(client);
  }
  (void)close(control->fd);
  (void)unlink(kSocketName);
}
