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
  // How it ended: the server's close frame, or kBroken and why.
  struct End {
    static constexpr int kGuest = 1000;
    static constexpr int kBroken = 1006;
    int code = kBroken;
    std::string reason;
  };

  // Errors as ApiClient::call's.
  static Result<std::unique_ptr<ConsoleSocket>> open(const ApiClient& api, const std::string& path);

  int fd() const;
  // Appends what has come; to be called when the descriptor is readable. A value: nothing more comes.
  std::optional<End> receive(std::string& out);
  // One message of some kilobytes; waits only where the descriptor isn't writable. A value: the connection broke.
  std::optional<End> send(std::string_view bytes);
  // Waits a moment for the server to say that what was sent has arrived.
  void close();

 private:
  explicit ConsoleSocket(std::unique_ptr<Poco::Net::WebSocket> socket) : socket_(std::move(socket)) {}

  const std::unique_ptr<Poco::Net::WebSocket> socket_;
};

}  // namespace qarax::cli
