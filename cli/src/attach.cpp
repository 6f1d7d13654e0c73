// `qarax console`, attached: what the guest writes is shown, what is typed or piped in goes to the guest.
#include "attach.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "console_socket.hpp"
#include "dead_host.hpp"
#include "detach_key.hpp"
#include "linger.hpp"
#include "problem.hpp"
#include "terminal.hpp"

namespace qarax::cli {

namespace {

constexpr std::int64_t kContext = 4096;  // bytes of earlier output shown first on a terminal
constexpr std::size_t kPiece = 4096;     // bytes sent at once: a socket that reports writable has room for them
constexpr std::size_t kMostWaiting = std::size_t{64} * 1024;  // bytes of unsent input; beyond that no more is read

// The result of one round of the loop.
struct Outcome {
  bool detached = false;
  int signal = 0;
  std::optional<ConsoleSocket::End> end;
  bool is_over() const { return detached || signal != 0 || end.has_value(); }
};

class Attachment {
 public:
  Attachment(const Context& context, ConsoleSocket& socket, const Signals& signals, RawTerminal* terminal,
             std::string input)
      : context_(context),
        socket_(socket),
        signals_(signals),
        terminal_(terminal),
        input_(std::move(input)),
        linger_(context.arguments.linger) {}

  Outcome run() {
    Outcome out;
    while (!out.is_over()) {
      const bool listens = !input_over_ && input_.size() < kMostWaiting;
      std::array<pollfd, 3> fds = {pollfd{listens ? STDIN_FILENO : -1, POLLIN, 0},
                                   pollfd{socket_.fd(), static_cast<short>(POLLIN | (input_.empty() ? 0 : POLLOUT)), 0},
                                   pollfd{signals_.fd(), POLLIN, 0}};
      const int ready = ::poll(fds.data(), fds.size(), linger_.poll_timeout(Clock::now()));
      if (ready < 0 && errno != EINTR) break;
      if (ready > 0) {
        if (fds[2].revents != 0) handle_signal(out);
        if (!out.is_over() && (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) show(out);
        if (!out.is_over() && fds[0].revents != 0) read_input(out);
        if (!out.end && (fds[1].revents & POLLOUT) != 0) type(out);
      }
      linger_.note(input_over_, input_.empty(), Clock::now());
      if (linger_.is_over(Clock::now())) out.detached = true;
    }
    // Still send what was typed before the detach key.
    while (out.detached && !out.end && !input_.empty()) type(out);
    return out;
  }

 private:
  void handle_signal(Outcome& out) {
    const int signal = signals_.take();
    if (signal == SIGTSTP) {
      if (terminal_ != nullptr) terminal_->leave();
      ::raise(SIGSTOP);
      if (terminal_ != nullptr) terminal_->enter_again();
    } else if (signal == SIGCONT) {
      if (terminal_ != nullptr) terminal_->enter_again();  // meanwhile the shell used the terminal
    } else {
      out.signal = signal;
    }
  }

  void show(Outcome& out) {
    std::string bytes;
    out.end = socket_.receive(bytes);
    context_.out << bytes << std::flush;
    // Detach if standard output can't be written any more, e.g. its reader is gone.
    if (!context_.out) out.detached = true;
  }

  void read_input(Outcome& out) {
    std::array<char, kPiece> bytes{};
    const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
      input_over_ = true;
      if (terminal_ != nullptr) out.detached = true;  // the terminal was hung up
      return;
    }
    std::string_view typed(bytes.data(), static_cast<std::size_t>(got));
    if (terminal_ != nullptr) {
      const auto key = typed.find(context_.arguments.detach_key);
      out.detached = key != std::string_view::npos;
      typed = typed.substr(0, key);
    }
    if (!context_.arguments.read_only) input_.append(typed);
  }

  void type(Outcome& out) {
    const std::string piece = input_.substr(0, kPiece);
    input_.erase(0, piece.size());
    if (!piece.empty()) out.end = socket_.send(piece);
  }

  const Context& context_;
  ConsoleSocket& socket_;
  const Signals& signals_;
  RawTerminal* const terminal_;
  std::string input_;  // still to be sent to the guest
  bool input_over_ = false;
  Linger linger_;
};

Error broke_off(const Context& context, const ConsoleSocket::End& end) {
  const std::string name = context.arguments.target;
  Error error = make_error(
      Code::unavailable,
      "the console of VM " + name + " broke off: " + (end.reason.empty() ? std::to_string(end.code) : end.reason),
      std::string(kUnreachable));
  error.hint = "The VM is not touched by that. qarax console " + name + " takes it up again.";
  return error;
}

}  // namespace

std::optional<std::string> piped_input() {
  pollfd wait{STDIN_FILENO, POLLIN, 0};
  if (::poll(&wait, 1, 0) < 0 || (wait.revents & POLLNVAL) != 0) return std::nullopt;
  if (wait.revents == 0) return std::string();  // input is still to come
  std::array<char, kPiece> bytes{};
  const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (got <= 0) return std::nullopt;
  return std::string(bytes.data(), static_cast<std::size_t>(got));
}

Result<Attached> attach(const Context& context, const json::Value& vm, const std::optional<std::string>& piped) {
  const std::string tail = piped ? "?tail=0" : "?tail=" + std::to_string(kContext);
  QARAX_TRY(const auto socket, ConsoleSocket::open(context.api, vm_path(vm, "/console/attach" + tail)));
  notice_dead_host(socket->fd());
  // A guest that doesn't read, e.g. a paused one, closes the window to a file that is piped in for as long as it likes.
  if (!piped) notice_dead_receiver(socket->fd());
  Outcome outcome;
  {
    const Signals signals;
    std::optional<RawTerminal> terminal;
    if (!piped) {
      context.note << "attached to the console of VM " << context.arguments.target
                   << (context.arguments.read_only ? ", read only" : "") << "; "
                   << key_name(context.arguments.detach_key) << " detaches\n"
                   << std::flush;
      QARAX_TRY(RawTerminal raw, RawTerminal::enter());
      terminal.emplace(std::move(raw));
    }
    outcome = Attachment(context, *socket, signals, terminal ? &*terminal : nullptr, piped.value_or("")).run();
  }
  // Whoever interrupts it doesn't want to wait.
  if (outcome.signal != 0)
    socket->leave();
  else if (!outcome.end)
    outcome.end = socket->close();
  if (!piped) context.note << '\n';  // end the guest's line before any message
  if (outcome.signal != 0) obey(outcome.signal);
  if (outcome.end && outcome.end->code != ConsoleSocket::End::kGuest) return broke_off(context, *outcome.end);
  if (outcome.end) return Attached::guest_ended;
  if (!piped) context.note << "detached; VM " << context.arguments.target << " runs on\n";
  return Attached::detached;
}

}  // namespace qarax::cli
