#include "http/websocket_handshake.hpp"

#include <Poco/Base64Encoder.h>
#include <Poco/SHA1Engine.h>

#include <algorithm>
#include <sstream>

#include "http/text.hpp"

namespace qarax::http {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr std::string_view kVersion = "13";

// Whether a comma-separated field contains `wanted`, compared case-insensitively.
bool lists(const Request& request, std::string_view field, std::string_view wanted) {
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const auto [name, value] = request.headers[i];
    if (!equals_ignoring_case(name, field)) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (equals_ignoring_case(trim_blanks(rest.substr(0, end)), wanted)) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

// Whether `key` is 16 bytes in base64: 22 characters and "==".
bool is_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  return std::all_of(key.begin(), key.end() - 2, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

Response wants_upgrade(const Request& request, std::string detail) {
  return problem_response(request, Problem("upgrade-required", std::move(detail)))
      .with("Upgrade", "websocket")
      .with("Connection", "Upgrade")
      .with("Sec-WebSocket-Version", kVersion);
}

}  // namespace

std::string handshake_proof(std::string_view key) {
  Poco::SHA1Engine sha1;
  sha1.update(key.data(), key.size());
  sha1.update(kGuid.data(), kGuid.size());
  const auto& digest = sha1.digest();
  std::ostringstream text;
  Poco::Base64Encoder encoder(text);
  encoder.write(reinterpret_cast<const char*>(digest.data()), static_cast<std::streamsize>(digest.size()));
  encoder.close();
  return text.str();
}

std::optional<Response> refuse_handshake(const Request& request) {
  if (request.method != "GET" || request.minor_version == 0 || !lists(request, "Upgrade", "websocket") ||
      !lists(request, "Connection", "upgrade"))
    return wants_upgrade(request, "this route speaks WebSocket, and the request asks for no upgrade to it");
  const auto version = request.header("Sec-WebSocket-Version");
  if (version != kVersion)
    return wants_upgrade(request, "the request's Sec-WebSocket-Version is " +
                                      (version ? "'" + std::string(version->substr(0, 80)) + "'" : "missing") +
                                      "; this server speaks 13");
  if (!is_key(request.header("Sec-WebSocket-Key").value_or("")))
    return problem_response(request,
                            Problem("bad-request", "Sec-WebSocket-Key has to be 16 random bytes in base64, once"));
  return std::nullopt;
}

Response accept_handshake(const Request& request, std::shared_ptr<LiveBody> body) {
  Response response = Response::empty(101);
  response.live = std::move(body);
  response.headers.set("Upgrade", "websocket");
  response.headers.set("Connection", "Upgrade");
  response.headers.set("Sec-WebSocket-Accept", handshake_proof(request.header("Sec-WebSocket-Key").value_or("")));
  return response;
}

}  // namespace qarax::http
