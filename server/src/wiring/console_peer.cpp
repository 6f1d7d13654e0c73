#include "wiring/console_peer.hpp"

namespace qarax::server {

Result<ConsolePlace> ConsolePlace::take(std::atomic<std::int64_t>& taken, std::int64_t most) {
  if (++taken <= most) return ConsolePlace(&taken);
  --taken;
  return make_error(Code::resource_exhausted,
                    "all " + std::to_string(most) +
                        " console attachments are in use; detach one, or raise limits.console_attachments in the "
                        "server's config",
                    "quota-exceeded");
}

std::optional<http::SocketClose> ConsolePeer::ended() {
  const auto end = line_->ended();
  if (!end) return std::nullopt;
  if (*end) return http::SocketClose{http::SocketClose::kNormal, "the guest's console has ended"};
  // `cancelled` means that this server gave up the call together with the node's connection; its message adds nothing.
  const Error& lost = end->error();
  const std::string why = lost.code == Code::cancelled ? "" : ": " + lost.message;
  return http::SocketClose{http::SocketClose::kFailed, "the VM's node was lost" + why};
}

}  // namespace qarax::server
