// A VMM for the tests: runs the commands of its argv in turn. Uses descriptors as a real one does, and no shell.
//
//   listen FD     accept a console connection        again FD     close it, accept the next
//   remake PATH   make the socket again, forget the connection without closing it, accept the next
//   say TEXT      write to the console               flood BYTES  write that much of the numbered pattern
//   drip BYTES    write that much of it byte by byte, like a serial port; bytes without room are lost; logs how many
//   pour BYTES    the same at the pace of a serial port, and nothing is lost
//   line          wait for a line of console input   echo         echo input until a 'q'
//   log TEXT      write to stderr                    spam BYTES   write that much to stderr
//   report PATH   write what this process was given
//   child PATH    fork a child that outlives this process, and write its pid
//   mark FD       write this process's pid to it, close it
//   usr1          wait for SIGUSR1 (blocked from the start where it is used)
//   raise N       exit N       wait
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int console = -1;
static long position = 0;

static int remake(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)unlink(path);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 4) != 0) return -1;
  return accept(listener, NULL, NULL);
}

static void send_all(const char* data, size_t length) {
  while (length > 0) {
    ssize_t n = write(console, data, length);
    if (n <= 0) exit(90);
    data += n;
    length -= (size_t)n;
  }
}

static void flood(long bytes) {
  char chunk[8192 + 8];
  while (bytes > 0) {
    long start = position / 8;
    for (long i = 0; i <= 1024; ++i) {
      char line[24];
      (void)snprintf(line, sizeof line, "%07ld\n", (start + i) % 10000000);
      memcpy(chunk + i * 8, line, 8);
    }
    long skip = position % 8;
    long length = bytes < 8192 ? bytes : 8192;
    send_all(chunk + skip, (size_t)length);
    position += length;
    bytes -= length;
  }
}

static void drip(long bytes) {
  long lost = 0;
  for (long i = 0; i < bytes; ++i) {
    char line[24];
    (void)snprintf(line, sizeof line, "%07ld\n", position / 8 % 10000000);
    if (send(console, line + position % 8, 1, MSG_DONTWAIT) != 1) ++lost;
    ++position;
  }
  (void)fprintf(stderr, "lost %ld\n", lost);
}

// Writes byte by byte at the pace of a serial port; nothing is lost.
static void pour(long bytes) {
  for (; bytes > 0; --bytes) {
    char line[24];
    (void)snprintf(line, sizeof line, "%07ld\n", position / 8 % 10000000);
    send_all(line + position % 8, 1);
    ++position;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    for (struct timespec now = until; (now.tv_sec - until.tv_sec) * 1000000000 + now.tv_nsec - until.tv_nsec < 10000;)
      (void)clock_gettime(CLOCK_MONOTONIC, &now);
  }
}

static void wait_line(void) {
  char byte = 0;
  while (read(console, &byte, 1) == 1 && byte != '\n') {
  }
}

static void echo(void) {
  char byte = 0;
  while (read(console, &byte, 1) == 1 && byte != 'q') send_all(&byte, 1);
}

static void report(const char* path) {
  char temporary[4096];
  (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
  FILE* out = fopen(temporary, "we");
  if (out == NULL) exit(91);
  mode_t mask = umask(0);
  (void)umask(mask);
  (void)fprintf(out, "pid %d\nsid %d\numask %03o\n", (int)getpid(), (int)getsid(0), (unsigned)mask);
  static const char* const kFiles[] = {"/proc/self/status", "/proc/self/oom_score_adj", "/proc/self/cgroup"};
  for (size_t i = 0; i < 3; ++i) {
    FILE* in = fopen(kFiles[i], "re");
    char line[512];
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
      (void)fprintf(out, "%s%s", i == 1 ? "oom " : i == 2 ? "cgroup " : "", line);
    if (in != NULL) (void)fclose(in);
  }
  for (char** entry = environ; *entry != NULL; ++entry) (void)fprintf(out, "env %s\n", *entry);
  for (int fd = 0; fd < 1100; ++fd) {
    char link[64];
    char target[512];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = fd == fileno(out) ? -1 : readlink(link, target, sizeof target - 1);
    if (n > 0) (void)fprintf(out, "fd %d %.*s\n", fd, (int)n, target);
  }
  (void)fclose(out);
  (void)rename(temporary, path);
}

static void make_child(const char* path) {
  pid_t pid = fork();
  if (pid == 0) {
    // Forks twice, in its own session, like a helper that means to stay.
    (void)setsid();
    (void)signal(SIGTERM, SIG_IGN);
    if (fork() != 0) _exit(0);
    FILE* out = fopen(path, "we");
    (void)fprintf(out, "%d\n", (int)getpid());
    (void)fclose(out);
    for (;;) (void)pause();
  }
  char text[16] = "";
  while (text[0] == '\0') {
    FILE* in = fopen(path, "re");
    if (in != NULL && fgets(text, sizeof text, in) == NULL) text[0] = '\0';
    if (in != NULL) (void)fclose(in);
  }
}

int main(int argc, char** argv) {
  sigset_t usr1;
  (void)sigemptyset(&usr1);
  (void)sigaddset(&usr1, SIGUSR1);
  for (int i = 1; i < argc; ++i)
    if (strcmp(argv[i], "usr1") == 0) (void)sigprocmask(SIG_BLOCK, &usr1, NULL);
  for (int i = 1; i < argc; ++i) {
    const char* command = argv[i];
    if (strcmp(command, "line") == 0) {
      wait_line();
      continue;
    }
    if (strcmp(command, "echo") == 0) {
      echo();
      continue;
    }
    if (strcmp(command, "usr1") == 0) {
      int number = 0;
      (void)sigwait(&usr1, &number);
      continue;
    }
    if (strcmp(command, "wait") == 0)
      for (;;) (void)pause();
    if (++i >= argc) return 92;
    const char* argument = argv[i];
    if (strcmp(command, "listen") == 0 || strcmp(command, "again") == 0) {
      if (console >= 0) (void)close(console);
      console = accept(atoi(argument), NULL, NULL);
      if (console < 0) return 93;
    } else if (strcmp(command, "remake") == 0) {
      console = remake(argument);
      if (console < 0) return 93;
    } else if (strcmp(command, "say") == 0) {
      send_all(argument, strlen(argument));
    } else if (strcmp(command, "flood") == 0) {
      flood(atol(argument));
    } else if (strcmp(command, "drip") == 0) {
      drip(atol(argument));
    } else if (strcmp(command, "pour") == 0) {
      pour(atol(argument));
    } else if (strcmp(command, "log") == 0) {
      (void)fprintf(stderr, "%s\n", argument);
    } else if (strcmp(command, "spam") == 0) {
      for (long left = atol(argument); left > 0; left -= 100) (void)fprintf(stderr, "%099ld\n", left);
    } else if (strcmp(command, "mark") == 0) {
      (void)dprintf(atoi(argument), "%d\n", (int)getpid());
      (void)close(atoi(argument));
    } else if (strcmp(command, "report") == 0) {
      report(argument);
    } else if (strcmp(command, "child") == 0) {
      make_child(argument);
    } else if (strcmp(command, "raise") == 0) {
      (void)raise(atoi(argument));
    } else if (strcmp(command, "exit") == 0) {
      _exit(atoi(argument));
    } else {
      return 94;
    }
  }
  return 0;
}
