#include "test_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

namespace qarax::qemu::testing {

TestCall::TestCall() : cancel_fd_(::eventfd(0, EFD_CLOEXEC)) {
  raw_.size = sizeof raw_;
  raw_.cancel_fd = cancel_fd_;
  raw_.context = this;
  raw_.keep = [](const qarax_call* raw, qarax_text handle) noexcept -> std::int32_t {
    auto* self = static_cast<TestCall*>(raw->context);
    if (self->keep_fails) return QARAX_RESOURCE_EXHAUSTED;
    self->kept = std::string(plugin::view(handle));
    self->on_keep();
    return QARAX_OK;
  };
}
TestCall::~TestCall() { ::close(cancel_fd_); }
void TestCall::set_deadline_ms(std::int64_t ms) { raw_.deadline_ns = plugin::monotonic_ns() + ms * 1'000'000; }
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

bool FakeHost::wait_for(const std::string& call) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(20),
                           [&] { return std::find(calls_.begin(), calls_.end(), call) != calls_.end(); });
}

Result<RunResult> FakeHost::run(const plugin::Call*, const RunArgs& args, std::int64_t) {
  note("run");
  if (on_run) return on_run(args);
  RunResult out;
  out.exit.kind = ExitKind::exited;
  out.output = args.argv.at(1) == "--version" ? "QEMU emulator version 7.2.22 (Debian 1:7.2)\n"
                                              : "pc   Standard PC (alias of pc-i440fx-7.2)\n"
                                                "q35  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n";
  return out;
}

// ---- the scripted QEMU ----

ScriptedHost::~ScriptedHost() {
  end(ExitKind::signaled, SIGKILL);
  if (thread_.joinable()) thread_.join();
  if (stop_fd_ >= 0) ::close(stop_fd_);
}

Result<Process> ScriptedHost::spawn(const plugin::Call*, const SpawnArgs& args, const std::vector<int>& fds) {
  note("spawn");
  spawned = args;
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(state_);
    process_.emplace();
    process_->pid = ::getpid();
    process_->alive = true;
    status_ = "prelaunch";
  }
  if (dies_at_once) {
    end(ExitKind::exited, 1, "qemu-system-x86_64: unsupported machine type\n");
    return find(nullptr, {});
  }
  if (stop_fd_ >= 0) ::close(stop_fd_);
  stop_fd_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this, listener = Socket(::fcntl(fds.at(0), F_DUPFD_CLOEXEC, 0))] { serve(listener); });
  return find(nullptr, {});
}

void ScriptedHost::serve(const Socket& listener) {
  Socket peer;
  std::string line;
  for (;;) {
    pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {peer.get() >= 0 ? peer.get() : listener.get(), POLLIN, 0}};
    if (hangs) fds[1].fd = -1;
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0) return;
    if (peer.get() < 0) {
      peer = Socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      constexpr std::string_view kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";
      static_cast<void>(::send(peer.get(), kGreeting.data(), kGreeting.size(), MSG_NOSIGNAL));
      continue;
    }
    char c = 0;
    if (::recv(peer.get(), &c, 1, 0) != 1) {
      peer.close();
      line.clear();
    } else if (c != '\n') {
      line.push_back(c);
    } else {
      const auto parsed = json::parse(std::string_view(line).substr(0, line.find_last_not_of('\r') + 1));
      const auto* command = parsed ? parsed->find("execute") : nullptr;
      if (command == nullptr || !answer(peer.get(), *command->as_string())) return;
      line.clear();
    }
  }
}

bool ScriptedHost::answer(int peer, const std::string& command) {
  std::string reply = "{\"return\": {}}\r\n";
  bool gone = false;
  {
    const std::lock_guard lock(state_);
    commands_.push_back(command);
    if (command == ignored_) return true;
    if (command == "cont") status_ = "running";
    if (command == "stop") status_ = "paused";
    if (command == "query-status") reply = "{\"return\": {\"status\": \"" + status_ + "\"}}\r\n";
    if (command == refuses) reply = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}\r\n";
    gone = command == "system_powerdown" && hears_the_button;
  }
  static_cast<void>(::send(peer, reply.data(), reply.size(), MSG_NOSIGNAL));
  if (gone) end(ExitKind::exited, 0);
  return !gone;
}

void ScriptedHost::end(ExitKind kind, int value, std::string log_tail) {
  {
    const std::lock_guard lock(state_);
    if (!process_ || !process_->alive) return;
    process_->alive = false;
    process_->exit.emplace();
    process_->exit->kind = kind;
    (kind == ExitKind::exited ? process_->exit->code : process_->exit->signal) = value;
    process_->exit->log_tail = std::move(log_tail);
  }
  if (stop_fd_ >= 0) ::eventfd_write(stop_fd_, 1);
  ended_.notify_all();
}

Result<Process> ScriptedHost::find(const plugin::Call*, const ProcessArgs&) {
  if (find_fails) return *find_fails;
  const std::lock_guard lock(state_);
  if (!process_) return make_error(Code::not_found, "nothing was spawned");
  return *process_;
}

Status ScriptedHost::kill(const plugin::Call*, const ProcessArgs&) {
  note("kill");
  end(ExitKind::signaled, SIGKILL);
  return Ok{};
}

Result<Process> ScriptedHost::wait(const plugin::Call* parent, const ProcessArgs&, std::int64_t timeout_ms) {
  const int most = parent->remaining_ms(static_cast<int>(timeout_ms));
  std::unique_lock lock(state_);
  if (!ended_.wait_for(lock, std::chrono::milliseconds(most), [&] { return process_ && !process_->alive; }))
    return make_error(Code::deadline_exceeded, "it still runs");
  return *process_;
}

void ScriptedHost::ignore(std::string command) {
  const std::lock_guard lock(state_);
  ignored_ = std::move(command);
}

void ScriptedHost::set_status(std::string status) {
  const std::lock_guard lock(state_);
  status_ = std::move(status);
}

std::vector<std::string> ScriptedHost::commands() const {
  const std::lock_guard lock(state_);
  return commands_;
}

// ---- the real one ----

RealHost::~RealHost() {
  static_cast<void>(kill(nullptr, {}));
  if (serial_.get() >= 0) ::shutdown(serial_.get(), SHUT_RDWR);
  if (reader_.joinable()) reader_.join();
}

Result<Process> RealHost::spawn(const plugin::Call*, const SpawnArgs& args, const std::vector<int>& fds) {
  note("spawn");
  const std::filesystem::path serial = args.console_connect;
  QARAX_TRY(serial_, connect_unix(serial.parent_path(), serial.filename()));
  std::vector<char*> argv;
  for (const auto& arg : args.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> pairs;
  for (const auto& [key, value] : args.env) pairs.emplace_back(key).append("=").append(value);
  std::vector<char*> env;
  env.reserve(pairs.size() + 1);
  for (auto& pair : pairs) env.push_back(pair.data());
  env.push_back(nullptr);
  // Out of the way of the targets, so that one dup2 doesn't overwrite the source of the next.
  std::vector<Socket> high;
  high.reserve(fds.size());
  for (const int fd : fds) high.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 100));
  const pid_t pid = ::fork();
  if (pid < 0) return make_error(Code::internal, "fork");
  if (pid == 0) {
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
  }
  reader_ = std::thread([this] {
    char chunk[4096];
    for (ssize_t n = 0; (n = ::recv(serial_.get(), chunk, sizeof chunk, 0)) > 0;) {
      {
        const std::lock_guard lock(mutex_);
        output_.append(chunk, static_cast<std::size_t>(n));
      }
      said_.notify_all();
    }
  });
  return find(nullptr, {});
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
}

Result<Process> RealHost::find(const plugin::Call*, const ProcessArgs&) {
  reap(false);
  const std::lock_guard lock(mutex_);
  if (!process_) return make_error(Code::not_found, "nothing was spawned");
  return *process_;
}

Status RealHost::kill(const plugin::Call*, const ProcessArgs&) {
  if (const auto there = find(nullptr, {}); there && there->alive) ::kill(there->pid, SIGKILL);
  reap(true);
  return Ok{};
}

Result<Process> RealHost::wait(const plugin::Call*, const ProcessArgs&, std::int64_t timeout_ms) {
  const std::int64_t until = plugin::monotonic_ns() + timeout_ms * 1'000'000;
  // Its end closes the serial socket, which the reader sees.
  while (plugin::monotonic_ns() < until) {
    pollfd gone{serial_.get(), POLLRDHUP, 0};
    if (::poll(&gone, 1, static_cast<int>((until - plugin::monotonic_ns()) / 1'000'000)) > 0) {
      reap(true);
      break;
    }
  }
  QARAX_TRY(const Process process, find(nullptr, {}));
  if (process.alive) return make_error(Code::deadline_exceeded, "it still runs");
  return process;
}

Result<RunResult> RealHost::run(const plugin::Call* parent, const RunArgs& args, std::int64_t timeout_ms) {
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
  const std::int64_t until = plugin::monotonic_ns() + timeout_ms * 1'000'000;
  bool cancelled = false;
  char chunk[4096];
  while (!out.matched && !out.timed_out && !cancelled) {
    pollfd fds[2] = {{read_end.get(), POLLIN, 0}, {parent != nullptr ? parent->cancel_fd() : -1, POLLIN, 0}};
    const std::int64_t left = (until - plugin::monotonic_ns()) / 1'000'000;
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
  return out;
}

std::string RealHost::console(const std::string& text, std::int64_t ms, std::size_t from) {
  std::unique_lock lock(mutex_);
  const bool seen = said_.wait_for(lock, std::chrono::milliseconds(ms),
                                   [&] { return output_.find(text, from) != std::string::npos; });
  return seen ? output_.substr(from) : std::string();
}

std::size_t RealHost::console_size() const {
  const std::lock_guard lock(mutex_);
  return output_.size();
}

}  // namespace qarax::qemu::testing
