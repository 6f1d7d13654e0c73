#include "test_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace qarax::qemu::testing {

Result<RunResult> FakeHost::run(const plugin::Call* parent, const RunArgs& args, std::int64_t timeout_ms) {
  if (on_run) return plugin::testing::FakeHost::run(parent, args, timeout_ms);
  note("run");
  RunResult out;
  out.exit.kind = ExitKind::exited;
  out.output = args.argv.at(1) == "--version" ? "QEMU emulator version 7.2.22 (Debian 1:7.2)\n"
                                              : "pc   Standard PC (alias of pc-i440fx-7.2)\n"
                                                "q35  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n";
  return out;
}

void ScriptedHost::end_and_wait() {
  end(ExitKind::signaled, SIGKILL);
  if (thread_.joinable()) thread_.join();
}

ScriptedHost::~ScriptedHost() {
  end_and_wait();
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
    const std::lock_guard lock(state_);
    return *process_;
  }
  if (stop_fd_ >= 0) ::close(stop_fd_);
  stop_fd_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this, listener = Socket(::fcntl(fds.at(0), F_DUPFD_CLOEXEC, 0))] { serve(listener); });
  const std::lock_guard lock(state_);
  listener_ = Socket(::fcntl(fds.at(0), F_DUPFD_CLOEXEC, 0));
  return *process_;
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
      late_.clear();
    } else if (c != '\n') {
      line.push_back(c);
    } else {
      const auto parsed = json::parse(std::string_view(line).substr(0, line.find_last_not_of('\r') + 1));
      const auto* command = parsed ? parsed->find("execute") : nullptr;
      const auto* arguments = parsed ? parsed->find("arguments") : nullptr;
      if (command == nullptr ||
          !answer(peer.get(), *command->as_string(), arguments != nullptr ? *arguments : json::Value()))
        return;
      line.clear();
    }
  }
}

bool ScriptedHost::answer(int peer, const std::string& command, const json::Value& arguments) {
  std::string reply = "{\"return\": {}}\r\n";
  bool gone = false;
  {
    const std::lock_guard lock(state_);
    commands_.push_back(command);
    if (command == ignored_ && ignored_times_ != 0) {
      if (ignored_times_ > 0) --ignored_times_;
      return true;
    }
    if (command == "cont" && command != refuses) status_ = "running";
    if (command == "stop") status_ = "paused";
    if (command == "query-status") reply = "{\"return\": {\"status\": \"" + status_ + "\"}}\r\n";
    if (const auto own = on_command ? on_command(command, arguments) : std::nullopt)
      reply = "{\"return\": " + *own + "}\r\n";
    if (command == refuses) reply = "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" + refusal + "\"}}\r\n";
    gone = command == "system_powerdown" && hears_the_button;
    reply = std::exchange(late_, {}) + reply;
    if (command == delayed_) late_ = std::exchange(reply, {});
  }
  static_cast<void>(::send(peer, reply.data(), reply.size(), MSG_NOSIGNAL));
  if (gone) end(ExitKind::exited, 0);
  return !gone;
}

void ScriptedHost::end(ExitKind kind, int value, std::string log_tail) {
  {
    const std::lock_guard lock(state_);
    if (!process_ || !process_->alive) return;
    // An ended process doesn't listen any more: shut the listener down here, as the thread may take a moment.
    if (listener_.get() >= 0) ::shutdown(listener_.get(), SHUT_RDWR);
    listener_.close();
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
  return process_now();
}

Result<Process> ScriptedHost::process_now() const {
  if (records_late && !process_->alive && count("kill") == 0)
    return make_error(Code::deadline_exceeded, "its supervisor hasn't recorded its end yet");
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
  return process_now();
}

void ScriptedHost::ignore(std::string command, int times) {
  const std::lock_guard lock(state_);
  ignored_ = std::move(command);
  ignored_times_ = times;
}

void ScriptedHost::delay(std::string command) {
  const std::lock_guard lock(state_);
  delayed_ = std::move(command);
}

void ScriptedHost::set_status(std::string status) {
  const std::lock_guard lock(state_);
  status_ = std::move(status);
}

std::vector<std::string> ScriptedHost::commands() const {
  const std::lock_guard lock(state_);
  return commands_;
}

}  // namespace qarax::qemu::testing
