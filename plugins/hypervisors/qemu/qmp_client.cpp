#include "qmp_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace qarax::qemu {

namespace {
constexpr std::size_t kMaxMessage = 1 << 20;

constexpr const char* kNoAnswer = "QEMU's monitor doesn't answer";

std::int64_t from_now(int ms) { return plugin::monotonic_ns() + std::int64_t{ms} * 1'000'000; }
}  // namespace

Result<QmpClient> QmpClient::connect(const plugin::Call& call, const std::string& run_dir, int most_ms) {
  auto socket = connect_unix(run_dir, "monitor.sock");
  if (!socket) return std::move(socket).error().context("QEMU's monitor");
  QmpClient client(std::move(*socket), most_ms);
  QARAX_TRY(const json::Value greeting, client.read_message(call, from_now(most_ms)));
  if (greeting.find("QMP") == nullptr)
    return make_error(Code::internal, "QEMU's monitor sent no greeting but: " + json::to_text(greeting).substr(0, 200));
  QARAX_CHECK(client.simple(call, "qmp_capabilities"));
  return client;
}

Result<json::Value> QmpClient::read_message(const plugin::Call& call, std::int64_t until_ns) {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.find_first_not_of(" \r\t") == std::string::npos) continue;
      auto message = json::parse(std::string_view(line).substr(0, line.find_last_not_of('\r') + 1));
      if (!message || message->as_object() == nullptr)
        return make_error(Code::internal,
                          "QEMU's monitor sent no JSON object: " + json::repair_utf8(line.substr(0, 200)));
      return message;
    }
    if (buffer_.size() > kMaxMessage)
      return make_error(Code::internal, "QEMU's monitor sent more than a MiB without a line end");
    // Check the deadline and cancellation before reading: a peer that sends without a pause always has something to
    // read.
    if (call.expired() || plugin::monotonic_ns() >= until_ns) return make_error(Code::deadline_exceeded, kNoAnswer);
    const std::int64_t left = (until_ns - plugin::monotonic_ns() + 999'999) / 1'000'000;
    const int wait = call.remaining_ms(static_cast<int>(std::max<std::int64_t>(left, 0)));
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {call.cancel_fd(), POLLIN, 0}};
    const int ready = ::poll(fds, call.cancel_fd() >= 0 ? 2 : 1, wait);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return make_error(Code::deadline_exceeded, kNoAnswer);
    if (fds[1].revents != 0)
      return make_error(Code::cancelled, "the call was cancelled while QEMU's monitor was asked");
    char chunk[4096];
    const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return make_error(Code::unavailable, "QEMU hung up");
    buffer_.append(chunk, static_cast<std::size_t>(n));
  }
}

bool QmpClient::is_there() {
  char chunk[4096];
  // The next command reads the rest, within its limits.
  for (std::size_t taken = 0; sound_ && taken < kMaxMessage; taken += sizeof chunk) {
    const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    sound_ = n > 0 && buffer_.size() <= kMaxMessage;
    if (n > 0) buffer_.append(chunk, static_cast<std::size_t>(n));
    // No command is under way, so these are events. Drop them: the plugin queries the state when it needs it.
    if (const std::size_t end = buffer_.rfind('\n'); end != std::string::npos) buffer_.erase(0, end + 1);
  }
  return sound_;
}

Result<json::Value> QmpClient::execute(const plugin::Call& call, std::string_view command,
                                       const json::Object& arguments, int fd) {
  if (!sound_)
    return make_error(Code::unavailable, "QEMU's monitor still owes the answer to an earlier command, so " +
                                             std::string(command) + " wasn't sent to it");
  sound_ = false;
  return converse(call, command, arguments, fd);
}

Status QmpClient::send_line(std::string_view line, int fd) {
  std::vector<int> fds;
  if (fd >= 0) fds.push_back(fd);
  while (!line.empty()) {
    const ssize_t n = plugin::send_some(socket_.get(), line, fds);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return make_error(Code::unavailable, "QEMU's monitor takes no more commands");
    if (n <= 0) return make_error(Code::unavailable, "QEMU hung up");
    line.remove_prefix(static_cast<std::size_t>(n));
    fds.clear();
  }
  return Ok{};
}

Result<json::Value> QmpClient::converse(const plugin::Call& call, std::string_view command,
                                        const json::Object& arguments, int fd) {
  std::string line = "{\"execute\":\"" + std::string(command) + "\"";
  if (!arguments.empty()) line += ",\"arguments\":" + json::to_text(json::Value(arguments));
  QARAX_CHECK(send_line(line + "}\r\n", fd));
  const std::int64_t until_ns = from_now(most_ms_);
  for (;;) {
    QARAX_TRY(json::Value message, read_message(call, until_ns));
    const auto* answer = message.find("return");
    const auto* error = message.find("error");
    sound_ = answer != nullptr || error != nullptr;
    if (answer != nullptr) return *answer;
    if (error != nullptr) {
      const auto* text = error->find("desc");
      return make_error(
          Code::internal,
          "QEMU refused " + std::string(command) + ": " +
              (text != nullptr && text->as_string() != nullptr ? *text->as_string() : json::to_text(*error)),
          "vmm-failed");
    }
    // Events may come in between. Ignore them: the plugin queries the state when it needs it.
    if (message.find("event") == nullptr)
      return make_error(Code::internal, "QEMU's monitor answered " + json::to_text(message).substr(0, 200));
  }
}

Status QmpClient::simple(const plugin::Call& call, std::string_view command) {
  auto answer = execute(call, command);
  if (!answer) return std::move(answer).error();
  return Ok{};
}

Result<std::string> QmpClient::query_status(const plugin::Call& call) {
  QARAX_TRY(const json::Value answer, execute(call, "query-status"));
  const auto* status = answer.find("status");
  if (status == nullptr || status->as_string() == nullptr)
    return make_error(Code::internal, "QEMU's query-status has no status");
  return *status->as_string();
}

}  // namespace qarax::qemu
