// One connection to QEMU's monitor (QMP): connect, greeting, capabilities, commands. Not thread-safe. A peer that
// hangs, sends garbage or hangs up causes an error within the call's limits.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/call.hpp"
#include "qarax/plugin/json.hpp"
#include "unix_socket.hpp"

namespace qarax::qemu {

using plugin::connect_unix;
using plugin::listen_unix;
using plugin::Socket;

class QmpClient {
 public:
  // Returns after qmp_capabilities. `most_ms` limits the greeting and each command, however much the peer sends
  // meanwhile; the call's deadline applies too. NOT_FOUND: no socket. UNAVAILABLE: nobody listens.
  static Result<QmpClient> connect(const plugin::Call& call, const std::string& run_dir, int most_ms);

  Result<std::string> query_status(const plugin::Call& call);  // running, paused, prelaunch, shutdown, io-error, …
  Status cont(const plugin::Call& call) { return simple(call, "cont"); }
  Status stop(const plugin::Call& call) { return simple(call, "stop"); }
  Status system_powerdown(const plugin::Call& call) { return simple(call, "system_powerdown"); }
  Status system_reset(const plugin::Call& call) { return simple(call, "system_reset"); }

  // Runs any command. `fd`, if not -1, is passed along (add-fd, getfd). A refusal by QEMU is INTERNAL "vmm-failed" with
  // its message. If the connection isn't sound, returns UNAVAILABLE without sending anything.
  Result<json::Value> execute(const plugin::Call& call, std::string_view command, const json::Object& arguments = {},
                              int fd = -1);

  // Whether another command may be sent. Not after one without an answer: a late answer would pass for that of the
  // next.
  bool is_sound() const { return sound_; }
  // Whether the connection is sound and QEMU hasn't hung up; reads what QEMU has sent meanwhile, up to a MiB. Never
  // waits.
  bool is_there();
  void limit(int most_ms) { most_ms_ = most_ms; }

 private:
  QmpClient(Socket socket, int most_ms) : socket_(std::move(socket)), most_ms_(most_ms) {}
  Status simple(const plugin::Call& call, std::string_view command);
  Result<json::Value> converse(const plugin::Call& call, std::string_view command, const json::Object& arguments,
                               int fd);
  Status send_line(std::string_view line, int fd);
  Result<json::Value> read_message(const plugin::Call& call, std::int64_t until_ns);

  Socket socket_;
  int most_ms_;
  std::string buffer_;
  bool sound_ = true;
};

}  // namespace qarax::qemu
