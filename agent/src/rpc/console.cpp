#include "console.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "qarax/core/threads.hpp"
#include "qarax/core/unix_socket.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::agent {

namespace {
constexpr std::size_t kMaxLog = 64u << 20;  // more than the supervisor keeps
constexpr int kAnswerMs = 2000;             // a supervisor answers a command line at once or not at all

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Reads the first line of the answer and leaves what follows it in the stream.
Result<std::string> answer_line(int fd) {
  std::string line;
  // The limit is for the whole line: with one for each byte a slow peer could hold the thread for hours.
  const std::int64_t until = plugin::monotonic_ns() + std::int64_t{kAnswerMs} * 1'000'000;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    const std::int64_t left_ms = std::max<std::int64_t>(0, (until - plugin::monotonic_ns()) / 1'000'000);
    const int ready = ::poll(&wait, 1, static_cast<int>(left_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return make_error(Code::unavailable, "the VM's supervisor doesn't answer", "console-closed");
    char c = 0;
    if (::recv(fd, &c, 1, 0) != 1)
      return make_error(Code::unavailable, "the VM's supervisor hung up", "console-closed");
    if (c == '\n') return line;
    line.push_back(c);
    if (line.size() > 4096)
      return make_error(Code::internal, "the VM's supervisor answered no line", "supervisor-failed");
  }
}

// The path still names the file that was opened by it, or still none.
bool is_at(const core::Fd& file, const std::string& path) {
  struct stat named {};
  struct stat opened {};
  if (::lstat(path.c_str(), &named) != 0 || !S_ISREG(named.st_mode)) return !file;
  return file && ::fstat(file.get(), &opened) == 0 && opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}
}  // namespace

std::string read_console_log(const std::string& run_dir, std::int64_t tail_bytes,
                             const std::function<void()>& between) {
  constexpr int kMostTries = 10;  // a guest would have to write 8 MiB during each
  const std::size_t want =
      tail_bytes > 0 && static_cast<std::size_t>(tail_bytes) < kMaxLog ? static_cast<std::size_t>(tail_bytes) : kMaxLog;
  const std::string newer = run_dir + "/console.log";
  const std::string older = newer + ".1";
  for (int tries = 1;; ++tries) {
    const core::Fd current = core::open_regular(newer);
    if (between) between();
    const core::Fd before = core::open_regular(older);
    std::string out = core::read_tail(current, want);
    if (out.size() < want) out.insert(0, core::read_tail(before, want - out.size()));
    // The supervisor makes console.log the older file and begins another. What was opened by one name may be what is
    // opened by the other next, and the first bytes of the older file become a note of what is dropped.
    if (tries == kMostTries || (is_at(current, newer) && is_at(before, older))) return out;
  }
}

bool is_console_open(const std::string& run_dir) { return ::access((run_dir + "/control.sock").c_str(), F_OK) == 0; }

Result<std::unique_ptr<ConsoleLink>> ConsoleLink::open(const std::string& run_dir, std::int64_t tail_bytes,
                                                       Sink on_data) {
  auto connected = core::connect_unix(run_dir + "/control.sock");
  // The reason would name paths, which don't leave the host.
  if (!connected)
    return make_error(Code::unavailable, "the VM's supervisor doesn't answer: its console can't be followed",
                      "console-closed");
  core::Fd socket = std::move(*connected);
  const std::string command =
      tail_bytes > 0 ? "attach tail " + std::to_string(tail_bytes) + "\n" : std::string("attach\n");
  if (!send_all(socket.get(), command))
    return make_error(Code::unavailable, "the VM's supervisor hung up", "console-closed");
  QARAX_TRY(const std::string answer, answer_line(socket.get()));
  if (answer != "ok")
    return make_error(Code::failed_precondition, "the VM's supervisor refused the console: " + answer,
                      "console-closed");
  std::unique_ptr<ConsoleLink> link(new ConsoleLink(std::move(socket)));
  link->reader_ = std::thread([fd = link->socket_.get(), sink = std::move(on_data)] {
    core::name_this_thread("console-out");
    std::string buffer(65536, '\0');
    for (;;) {
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      // A stream that ends is better than one with a gap that nobody sees.
      if (!core::guarded("console-out", [&] { sink(buffer.substr(0, static_cast<std::size_t>(n))); })) break;
    }
    core::guarded("console-out", [&] { sink({}); });
  });
  return link;
}

ConsoleLink::~ConsoleLink() {
  close();
  if (reader_.joinable()) reader_.join();
  if (writer_.joinable()) writer_.join();
}

void ConsoleLink::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  ::shutdown(socket_.get(), SHUT_RDWR);
}

void ConsoleLink::write(std::string data, std::function<void(Status)> done) {
  const std::lock_guard lock(mutex_);
  output_ = std::move(data);
  done_ = std::move(done);
  if (!writer_.joinable()) writer_ = std::thread([this] { write_all(); });
  changed_.notify_all();
}

void ConsoleLink::write_all() {
  core::name_this_thread("console-in");
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || done_; });
    if (!done_) return;
    const std::string data = std::exchange(output_, {});
    const auto done = std::exchange(done_, nullptr);
    lock.unlock();
    core::guarded("console-in", [&] {
      done(send_all(socket_.get(), data)
               ? Status(Ok{})
               : make_error(Code::unavailable, "the VM's console is closed", "console-closed"));
    });
    lock.lock();
  }
}

}  // namespace qarax::agent
