#include "supervisor_fixture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace {

int open_pidfd(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

bool wait_readable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return poll(&polled, 1, kPatienceMs) == 1;
}

// Through /proc/self/fd, because the tests' run folders may have paths that are too long for a socket address.
sockaddr_un address_in(int dir_fd, const char* name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
  return address;
}

}  // namespace

void SupervisorTest::SetUp() {
  // VMMs that lose their supervisor become children of this process, so that it can end them.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void SupervisorTest::TearDown() {
  for (pid_t pid : vmms_)
    if (alive(pid)) kill(pid, SIGKILL);
  for (pid_t pid : supervisors_) wait_exit(pid);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

Launched SupervisorTest::launch(const LaunchOptions& options) {
  std::vector<std::string> words = {QARAX_SUPERVISOR, "--dir", dir_};
  words.insert(words.end(), options.extra.begin(), options.extra.end());
  words.emplace_back("--");
  words.push_back(options.program.empty() ? QARAX_TEST_VMM : options.program);
  words.insert(words.end(), options.vmm.begin(), options.vmm.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ready[2];
  EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
  if (options.reader_gone) close(ready[0]);
  Launched launched;
  launched.supervisor = fork();
  if (launched.supervisor == 0) {
    int top = 500;
    int report = fcntl(ready[1], F_DUPFD_CLOEXEC, top);
    std::vector<int> moved;
    moved.reserve(options.fds.size());
    for (int fd : options.fds) moved.push_back(fcntl(fd, F_DUPFD_CLOEXEC, top));
    dup2(report, 3);
    for (size_t i = 0; i < moved.size(); ++i) dup2(moved[i], 4 + static_cast<int>(i));
    if (options.hostile_signals) {
      sigset_t all;
      sigfillset(&all);
      sigprocmask(SIG_SETMASK, &all, nullptr);
      for (int number : {SIGINT, SIGCHLD, SIGUSR1, SIGTERM}) std::signal(number, SIG_IGN);
    }
    if (options.traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ready[1]);
  supervisors_.push_back(launched.supervisor);
  if (options.reader_gone) return launched;
  launched.line = read_until(ready[0], "\n");
  close(ready[0]);
  if (std::sscanf(launched.line.c_str(), "ok %d ", &launched.vmm) == 1) vmms_.push_back(launched.vmm);
  return launched;
}

Launched SupervisorTest::launch_with_console(std::vector<std::string> vmm, std::vector<std::string> extra) {
  int dir_fd = open(dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  sockaddr_un address = address_in(dir_fd, "serial.sock");
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  EXPECT_EQ(listen(listener, 4), 0);
  LaunchOptions options;
  options.vmm = {"listen", "10"};
  options.vmm.insert(options.vmm.end(), vmm.begin(), vmm.end());
  options.extra = {"--console-connect", path("serial.sock"), "--fds", "1", "--fd-targets", "10"};
  options.extra.insert(options.extra.end(), extra.begin(), extra.end());
  options.fds = {listener};
  Launched launched = launch(options);
  close(listener);
  close(dir_fd);
  return launched;
}

int SupervisorTest::wait_exit(pid_t supervisor) {
  int status = -1;
  int fd = open_pidfd(supervisor);
  if (fd >= 0) {
    EXPECT_TRUE(wait_readable(fd)) << "the supervisor doesn't end";
    close(fd);
  }
  if (waitpid(supervisor, &status, WNOHANG) == 0) {
    kill(supervisor, SIGKILL);
    waitpid(supervisor, &status, 0);
  }
  std::erase(supervisors_, supervisor);
  return status;
}

std::string SupervisorTest::read_file(const std::string& name) const {
  std::ifstream in(name.front() == '/' ? name : path(name), std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int SupervisorTest::connect_control() const {
  int dir_fd = open(dir_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  sockaddr_un address = address_in(dir_fd, "control.sock");
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  close(dir_fd);
  return fd;
}

std::string SupervisorTest::ask(const std::string& command) const {
  int fd = connect_control();
  write_all(fd, command + "\n");
  std::string reply = read_all(fd);
  close(fd);
  return reply;
}

int SupervisorTest::attach(const std::string& command) const {
  int fd = connect_control();
  write_all(fd, command + "\n");
  EXPECT_EQ(read_until(fd, "\n"), "ok\n");
  return fd;
}

std::string read_until(int fd, const std::string& end) {
  std::string got;
  char byte = 0;
  while (!got.ends_with(end)) {
    if (!wait_readable(fd)) {
      ADD_FAILURE() << "waited in vain for \"" << end << "\", got \"" << got.substr(0, 2000) << '"';
      break;
    }
    if (read(fd, &byte, 1) != 1) break;
    got += byte;
  }
  return got;
}

std::string read_some(int fd, size_t most) {
  if (!wait_readable(fd)) {
    ADD_FAILURE() << "nothing comes, and the stream doesn't end";
    return "";
  }
  std::string got(most, '\0');
  ssize_t n = read(fd, got.data(), got.size());
  got.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return got;
}

std::string read_all(int fd) {
  std::string got;
  for (std::string block = read_some(fd); !block.empty(); block = read_some(fd)) got += block;
  return got;
}

void write_all(int fd, const std::string& data) {
  size_t done = 0;
  while (done < data.size()) {
    ssize_t n = send(fd, data.data() + done, data.size() - done, MSG_NOSIGNAL);
    ASSERT_GT(n, 0) << std::strerror(errno);
    done += static_cast<size_t>(n);
  }
}

long number_in(const std::string& json, const std::string& key) {
  size_t at = json.find('"' + key + "\":");
  if (at == std::string::npos) return -1;
  return std::strtol(json.c_str() + at + key.size() + 3, nullptr, 10);
}

bool alive(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'Z';
}

bool wait_gone(pid_t pid) {
  int fd = open_pidfd(pid);
  if (fd < 0) return true;
  bool gone = wait_readable(fd);
  close(fd);
  return gone;
}

long follow_pattern(const std::string& stream, long position, long* dropped) {
  for (size_t i = 0; i < stream.size();) {
    long bytes = 0;
    int length = 0;
    if (stream.compare(i, 9, "\n[qarax: ") == 0 &&
        std::sscanf(stream.c_str() + i, "\n[qarax: %ld bytes dropped]%n", &bytes, &length) == 1 && length > 0) {
      i += static_cast<size_t>(length) + 1;
      position += bytes;
      if (dropped != nullptr) *dropped += bytes;
      continue;
    }
    char line[24];
    std::snprintf(line, sizeof line, "%07ld\n", position / 8);
    if (stream[i] != line[position % 8]) return -1;
    ++position;
    ++i;
  }
  return position;
}
