// One conversation with QEMU's monitor (QMP): connect, greeting, capabilities, commands. Not thread-safe. A peer that
// hangs, talks garbage or hangs up is an error within the call's limits.
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
  // Returns after qmp_capabilities. `most_ms`: a limit for the greeting and for each command, however much the peer
  // says meanwhile, below the call's deadline. NOT_FOUND: no socket. UNAVAILABLE: nobody there.
  static Result<QmpClient> connect(const plugin::Call& call, const std::string& run_dir, int most_ms);

  Result<std::string> query_status(const plugin::Call& call);  // running, paused, prelaunch, shutdown, io-error, …
  Status cont(const plugin::Call& call) { return simple(call, "cont"); }
  Status stop(const plugin::Call& call) { return simple(call, "stop"); }
  Status system_powerdown(const plugin::Call& call) { return simple(call, "system_powerdown"); }
  Status system_reset(const plugin::Call& call) { return simple(call, "system_reset"); }

  // Any command. `fd`, if not -1, goes along (add-fd, getfd). What QEMU refuses is INTERNAL "vmm-failed" with its
  // words. UNAVAILABLE, and nothing is said, where it isn't sound.
  Result<json::Value> execute(const plugin::Call& call, std::string_view command, const json::Object& arguments = {},
                              int fd = -1);

  // Could it take another command? Not where one got no answer: a late one would pass for the next one's.
  bool is_sound() const { return sound_; }
  // As is_sound(), and QEMU hasn't hung up; takes in what it has said meanwhile, up to a MiB. Doesn't wait.
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
