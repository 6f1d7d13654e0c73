#include "real_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <tuple>

namespace qarax::plugin::testing {

namespace {

using SocketFile = std::tuple<ino_t, std::int64_t, std::int64_t>;  // inode and mtime: an inode number may be reused

SocketFile socket_file(const std::string& path) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return {};
  return {there.st_ino, there.st_mtim.tv_sec, there.st_mtim.tv_nsec};
}

// The end of a VMM's log, as the agent keeps it.
std::string tail_of(const Socket& log) {
  char text[4096];
  const off_t size = ::lseek(log.get(), 0, SEEK_END);
  const ssize_t n = ::pread(log.get(), text, sizeof text, std::max<off_t>(0, size - static_cast<off_t>(sizeof text)));
  return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
}

constexpr int kLookMs = 20;  // interval for checking the socket's file while no output comes

}  // namespace

TestCall::TestCall() : cancel_fd_(::eventfd(0, EFD_CLOEXEC)) {
  raw_.size = sizeof raw_;
  raw_.cancel_fd = cancel_fd_;
  raw_.context = this;
  raw_.keep = [](const qarax_call* raw, qarax_text handle) noexcept -> std::int32_t {
    auto* self = static_cast<TestCall*>(raw->context);
    if (self->keep_fails) return QARAX_RESOURCE_EXHAUSTED;
    self->kept = std::string(view(handle));
    self->on_keep();
    return QARAX_OK;
  };
  raw_.progress = [](const qarax_call* raw, qarax_text step, std::uint64_t done,
                     std::uint64_t total) noexcept -> std::int32_t {
    static_cast<TestCall*>(raw->context)
        ->progress.push_back(std::string(view(step)) + " " + std::to_string(done) + "/" + std::to_string(total));
    return QARAX_OK;
  };
}
TestCall::~TestCall() { ::close(cancel_fd_); }
void TestCall::set_deadline_ms(std::int64_t ms) { raw_.deadline_ns = monotonic_ns() + ms * 1'000'000; }
void TestCall::set_fds(std::vector<int> fds) {
  fds_ = std::move(fds);
  raw_.fds = fds_.data();
  raw_.fd_count = fds_.size();
}
void TestCall::cancel() { ::eventfd_write(cancel_fd_, 1); }

void FakeHost::note(std::string call) {
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
  }
  changed_.notify_all();
}

std::vector<std::string> FakeHost::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FakeHost::count(const std::string& call) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count(calls_.begin(), calls_.end(), call));
}

bool FakeHost::wait_for(const std::string& call, int times) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20),
                           [&] { return std::count(calls_.begin(), calls_.end(), call) >= times; });
}

Result<RunResult> FakeHost::run(const Call*, const RunArgs& args, std::int64_t) {
  note("run");
  if (on_run) return on_run(args);
  return make_error(Code::unimplemented, "this host runs nothing");
}

RealHost::~RealHost() {
  static_cast<void>(kill(nullptr, {}));
  end_reader();
}

Result<Process> RealHost::spawn(const Call*, const SpawnArgs& args, const std::vector<int>& fds) {
  note("spawn");
  end_reader();
  std::vector<char*> argv;
  for (const auto& arg : args.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> pairs;
  auto all = args.env;
  all.insert(more_env.begin(), more_env.end());
  for (const auto& [key, value] : all) pairs.emplace_back(key).append("=").append(value);
  std::vector<char*> env;
  env.reserve(pairs.size() + 1);
  for (auto& pair : pairs) env.push_back(pair.data());
  env.push_back(nullptr);
  // Duplicate to high numbers first, so that one dup2 doesn't overwrite the source of the next.
  std::vector<Socket> high;
  high.reserve(fds.size());
  for (const int fd : fds) high.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 100));
  const std::string folder = std::filesystem::path(args.console_connect).parent_path();
  Socket log(::memfd_create("vmm.log", MFD_CLOEXEC));
  const pid_t pid = ::fork();
  if (pid < 0) return make_error(Code::internal, "fork");
  if (pid == 0) {
    if (!folder.empty() && ::chdir(folder.c_str()) != 0) ::_exit(125);
    ::dup2(log.get(), 1);
    ::dup2(log.get(), 2);
    for (std::size_t i = 0; i < high.size(); ++i)
      if (::dup2(high[i].get(), args.fd_targets[i]) < 0) ::_exit(126);
    ::execve(argv[0], argv.data(), env.data());
    ::_exit(127);
  }
  {
    const std::lock_guard lock(mutex_);
    process_.emplace();
    process_->pid = pid;
    process_->alive = true;
    log_ = std::move(log);
    pid_fd_ = Socket(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  }
  reader_ = std::thread([this, path = args.console_connect] { read_console(path); });
  return find(nullptr, {});
}

// Like the supervisor: connects as soon as the VMM listens, which may be before or after the spawn, and again when the
// VMM creates its console socket anew, e.g. at a reboot of the guest, where it may drop the connection without closing
// it.
void RealHost::read_console(const std::string& path) {
  const std::filesystem::path serial = path;
  for (;;) {
    const SocketFile file = socket_file(path);
    // Connect only if the file existed before: a file created in between would later look like another one, and the
    // connection that is then dropped may be the only one that the VMM accepts.
    auto connected = file != SocketFile() ? connect_unix(serial.parent_path(), serial.filename())
                                          : Result<Socket>(make_error(Code::not_found, path + " isn't there yet"));
    if (connected) {
      const int fd = connected->get();
      {
        const std::lock_guard lock(mutex_);
        serial_ = std::move(*connected);
      }
      while (read_more(fd, kLookMs) && socket_file(path) == file) continue;
      while (read_more(fd, 0)) continue;  // read what it had written before
    }
    if (pollfd gone{pid_fd_.get(), POLLIN, 0}; ::poll(&gone, 1, 1) > 0) return;
  }
}

// False if the connection has ended, or if nothing came and `wait_ms` is 0.
bool RealHost::read_more(int fd, int wait_ms) {
  if (pollfd readable{fd, POLLIN, 0}; ::poll(&readable, 1, wait_ms) == 0) return wait_ms > 0;
  char chunk[4096];
  const ssize_t n = ::recv(fd, chunk, sizeof chunk, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN && wait_ms > 0;
  {
    const std::lock_guard lock(mutex_);
    output_.append(chunk, static_cast<std::size_t>(n));
  }
  said_.notify_all();
  return true;
}

// To be called only when the process has ended.
void RealHost::end_reader() {
  {
    const std::lock_guard lock(mutex_);
    if (serial_.get() >= 0) ::shutdown(serial_.get(), SHUT_RDWR);
  }
  if (reader_.joinable()) reader_.join();
  serial_.close();
}

void RealHost::reap(bool block) {
  pid_t pid = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!process_ || !process_->alive) return;
    pid = process_->pid;
  }
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | (block ? 0 : WNOHANG)) != 0 || info.si_pid == 0) return;
  const std::lock_guard lock(mutex_);
  process_->alive = false;
  process_->exit.emplace();
  process_->exit->kind = info.si_code == CLD_EXITED ? ExitKind::exited : ExitKind::signaled;
  (info.si_code == CLD_EXITED ? process_->exit->code : process_->exit->signal) = info.si_status;
  process_->exit->log_tail = tail_of(log_);
}

Result<Process> RealHost::find(const Call*, const ProcessArgs&) {
  reap(false);
  const std::lock_guard lock(mutex_);
  if (!process_) return make_error(Code::not_found, "nothing was spawned");
  return *process_;
}

Status RealHost::kill(const Call*, const ProcessArgs&) {
  if (const auto there = find(nullptr, {}); there && there->alive) ::kill(there->pid, SIGKILL);
  reap(true);
  return Ok{};
}

Result<Process> RealHost::wait(const Call* parent, const ProcessArgs&, std::int64_t timeout_ms) {
  pollfd gone{pid_fd_.get(), POLLIN, 0};
  const int most = static_cast<int>(timeout_ms);
  if (::poll(&gone, 1, parent != nullptr ? parent->remaining_ms(most) : most) > 0) reap(true);
  QARAX_TRY(const Process process, find(nullptr, {}));
  if (process.alive) return make_error(Code::deadline_exceeded, "it still runs");
  return process;
}

Result<RunResult> RealHost::run(const Call* parent, const RunArgs& args, std::int64_t timeout_ms) {
  note(args.until.empty() ? "run" : "trial");
  std::vector<char*> argv;
  for (const auto& arg : args.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return make_error(Code::internal, "pipe");
  const Socket read_end(ends[0]);
  Socket write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(write_end.get(), 1);
    ::dup2(write_end.get(), 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  write_end.close();
  RunResult out;
  const std::int64_t until = monotonic_ns() + timeout_ms * 1'000'000;
  bool cancelled = false;
  char chunk[4096];
  while (!out.matched && !out.timed_out && !cancelled) {
    pollfd fds[2] = {{read_end.get(), POLLIN, 0}, {parent != nullptr ? parent->cancel_fd() : -1, POLLIN, 0}};
    const std::int64_t left = (until - monotonic_ns()) / 1'000'000;
    out.timed_out = left <= 0 || ::poll(fds, 2, static_cast<int>(left)) == 0;
    cancelled = fds[1].revents != 0;
    if (out.timed_out || cancelled) break;
    const ssize_t n = ::read(read_end.get(), chunk, sizeof chunk);
    if (n <= 0) break;
    out.output.append(chunk, static_cast<std::size_t>(n));
    out.matched = !args.until.empty() && out.output.find(args.until) != std::string::npos;
  }
  if (out.matched || out.timed_out || cancelled) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (cancelled) return make_error(Code::cancelled, "cancelled");
  out.exit.kind = WIFEXITED(status) ? ExitKind::exited : ExitKind::signaled;
  out.exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  out.exit.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return out;
}

std::string RealHost::console(const std::string& text, std::int64_t ms, std::size_t from) {
  std::unique_lock lock(mutex_);
  const bool seen = said_.wait_for(lock, std::chrono::milliseconds(ms),
                                   [&] { return output_.find(text, from) != std::string::npos; });
  return seen ? output_.substr(from) : std::string();
}

void RealHost::type(const std::string& line) {
  const std::string text = line + "\n";
  const std::lock_guard lock(mutex_);
  static_cast<void>(::send(serial_.get(), text.data(), text.size(), MSG_NOSIGNAL));
}

std::size_t RealHost::console_size() const {
  const std::lock_guard lock(mutex_);
  return output_.size();
}

}  // namespace qarax::plugin::testing
