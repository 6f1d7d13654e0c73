// Console connection (contract: console.h).
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "room.h"

// kChunksAtEnd only keeps a drain finite; a socket can hold far less.
enum { kChunk = 16384, kChunksATurn = 4, kChunksAtEnd = 1024 };

static const char kGap[] = "\n[qarax: console reconnected, output may be missing here]\n";

int console_prepare(Console* console, const char* socket_path, Failure* failure) {
  memset(console, 0, sizeof *console);
  console->dir_fd = -1;
  console->fd = -1;
  if (socket_path == NULL) return 0;
  char folder[4096] = ".";
  const char* name = socket_path;
  const char* slash = strrchr(socket_path, '/');
  if (slash != NULL) {
    size_t length = slash == socket_path ? 1 : (size_t)(slash - socket_path);
    if (length >= sizeof folder) return fail(failure, ENAMETOOLONG, "--console-connect");
    memcpy(folder, socket_path, length);
    folder[length] = '\0';
    name = slash + 1;
  }
  // "/proc/self/fd/NNNNNNNNNN/" and the name have to fit into 108 bytes.
  if (name[0] == '\0' || strlen(name) > 80)
    return fail(failure, ENAMETOOLONG, "--console-connect: the socket's name has to have 1 to 80 bytes: %.200s", name);
  memcpy(console->name, name, strlen(name) + 1);
  console->dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (console->dir_fd < 0) return fail(failure, errno, "open the console socket's folder %.300s", folder);
  console->enabled = true;
  return 0;
}

// Distinguishes a socket that was created again under the same name from the one before. The inode number may be
// reused, so the time counts too.
static bool look(const Console* console, SocketFile* file) {
  struct stat there;
  if (fstatat(console->dir_fd, console->name, &there, AT_SYMLINK_NOFOLLOW) != 0) return false;
  *file = (SocketFile){.inode = there.st_ino, .made = there.st_mtim};
  return true;
}

static int open_connection(Console* console) {
  // Looked at before connecting: a socket that is created again in between is then recognized as another one.
  console->file = (SocketFile){0};
  (void)look(console, &console->file);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.80s", console->dir_fd, console->name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // A name chosen by the kernel, by which make_room() finds the other end.
  (void)bind(fd, (const struct sockaddr*)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(sa_family_t));
  if (connect(fd, (const struct sockaddr*)&address, sizeof address) != 0) {
    int error = errno;
    (void)close(fd);
    return -error;
  }
  return fd;
}

int console_start(Console* console, int64_t log_max, Failure* failure) {
  if (!console->enabled) return 0;
  int fd = open_connection(console);
  if (fd < 0 && fd != -ENOENT && fd != -ECONNREFUSED)
    return fail(failure, -fd, "connect to the VMM's console socket %s", console->name);
  console->fd = fd < 0 ? -1 : fd;
  console->connected_once = fd >= 0;
  console->eager_until = monotonic_ms() + kFirstTriesMs;
  // SIGIO for each file that is created in the folder. Not inotify, because a user has only about a hundred inotify
  // instances.
  if (fcntl(console->dir_fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT) != 0)
    complain("qarax-supervisor: a console socket that is made anew won't be noticed: %s", strerror(errno));
  log_open(&console->log, log_max);
  return 0;
}

struct pollfd console_poll(const Console* console, int64_t now) {
  short events = now < console->gather_until ? 0 : POLLIN;
  if (console->input_length > 0) events |= POLLOUT;
  return (struct pollfd){.fd = console->fd, .events = events};
}

static void lose(Console* console, int64_t now) {
  (void)close(console->fd);
  console->fd = -1;
  console->room_sought = false;
  console->gather_until = 0;
  console->backoff_ms = kReconnectFirstMs;
  console->retry_at = now + kReconnectFirstMs;
  console->eager_until = 0;
}

// Returns false at the end of the stream.
static bool read_output(Console* console, int chunks) {
  // Output to read means that the VMM has accepted the connection.
  if (!console->room_sought && console->vmm > 0) {
    console->roomy = make_room(console->vmm, console->fd);
    console->room_sought = true;
  }
  char data[kChunk];
  for (int i = 0; i < chunks; ++i) {
    ssize_t n = read(console->fd, data, sizeof data);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    console->counters.bytes += (uint64_t)n;
    console->counters.dropped += log_append(&console->log, data, (size_t)n);
    console->sink(console->sink_context, data, (size_t)n);
    if (n < kChunk && chunks == kChunksATurn) return true;  // the next poll tells whether there is more
  }
  return true;
}

static bool write_input(Console* console) {
  ssize_t n = send(console->fd, console->input, console->input_length, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  console->input_length -= (size_t)n;
  memmove(console->input, console->input + n, console->input_length);
  return true;
}

void console_handle(Console* console, short events, int64_t now) {
  if (console->fd < 0 || events == 0) return;
  bool connected = true;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
    uint64_t before = console->counters.bytes;
    connected = read_output(console, kChunksATurn);
    // When a VMM writes much at a time, its output doesn't gather but is read at once.
    bool little = console->counters.bytes - before < kChunk;
    if (connected && console->roomy && little) console->gather_until = now + kGatherMs;
  }
  if (connected && (events & POLLOUT) != 0) connected = write_input(console);
  if (!connected) lose(console, now);
}

void console_folder_changed(Console* console, int64_t now) {
  SocketFile there;
  if (!console->enabled || !look(console, &there)) return;
  if (console->fd >= 0) {
    if (there.inode == console->file.inode && there.made.tv_sec == console->file.made.tv_sec &&
        there.made.tv_nsec == console->file.made.tv_nsec)
      return;
    (void)read_output(console, kChunksAtEnd);
    lose(console, now);
    console->eager_until = now + kFirstTriesMs;
  }
  console->retry_at = now;
}

int64_t console_tick(Console* console, int64_t now) {
  if (!console->enabled) return -1;
  if (console->fd >= 0) return now < console->gather_until ? console->gather_until : -1;
  if (now >= console->retry_at) {
    int fd = open_connection(console);
    if (fd >= 0) {
      console->fd = fd;
      bool first = !console->connected_once;
      console->connected_once = true;
      if (first) return -1;
      ++console->reconnects;
      (void)log_append(&console->log, kGap, sizeof kGap - 1);
      console->sink(console->sink_context, kGap, sizeof kGap - 1);
      return -1;
    }
    if (now < console->eager_until) {
      console->retry_at = now + kFirstTryMs;
      return console->retry_at;
    }
    console->backoff_ms = console->backoff_ms * 2 < kReconnectLastMs ? console->backoff_ms * 2 : kReconnectLastMs;
    console->retry_at = now + console->backoff_ms;
  }
  return console->retry_at;
}

size_t console_input_room(const Console* console) { return kInputMax - console->input_length; }

void console_input(Console* console, const void* data, size_t length) {
  if (length > console_input_room(console)) length = console_input_room(console);
  memcpy(console->input + console->input_length, data, length);
  console->input_length += length;
  if (console->fd >= 0 && console->input_length > 0)
    (void)write_input(console);  // an error shows again at the next read
}

void console_drain(Console* console) {
  if (console->fd >= 0) {
    (void)read_output(console, kChunksAtEnd);
    (void)close(console->fd);
    console->fd = -1;
  }
  if (console->enabled) log_finish(&console->log);
}
