// The WebSocket of GET /vms/{id}/console/attach, the client's side.
#pragma once

#include <Poco/Net/WebSocket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api_client.hpp"

namespace qarax::cli {

class ConsoleSocket {
 public:
  // How the connection ended: the server's close frame, or kBroken with the reason.
  struct End {
    static constexpr int kGuest = 1000;
    static constexpr int kBroken = 1006;
    int code = kBroken;
    std::string reason;
  };

  // Errors as those of ApiClient::call.
  static Result<std::unique_ptr<ConsoleSocket>> open(const ApiClient& api, const std::string& path);

  int fd() const;
  // Appends what has arrived; to be called when the descriptor is readable. A value means that nothing more comes.
  std::optional<End> receive(std::string& out);
  // Sends one message of some kilobytes; waits only if the descriptor isn't writable. A value means that the connection
  // broke.
  std::optional<End> send(std::string_view bytes);
  // Closes the connection; waits for the server to confirm that what was sent has arrived, as long as that moves
  // (ClosingPatience). A value, whose code isn't kGuest, means that something was sent and wasn't confirmed.
  std::optional<End> close();
  // Closes the connection and waits for nothing.
  void leave();

 private:
  explicit ConsoleSocket(std::unique_ptr<Poco::Net::WebSocket> socket) : socket_(std::move(socket)) {}

  const std::unique_ptr<Poco::Net::WebSocket> socket_;
  bool has_sent_ = false;
};

}  // namespace qarax::cli
