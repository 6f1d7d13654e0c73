// Who may call. Injected into the server; without one every route is open (a loopback install).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qarax::http {

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Called on worker threads, many at once, for every request to a route that isn't open. `token` is what stands after
  // "Bearer " in the Authorization field, empty where there is none.
  virtual bool accepts(std::string_view token) const = 0;
};

// Tokens from the config, stored as lower-case hex SHA-256 of the token. Compares in constant time.
class TokenAuthenticator : public Authenticator {
 public:
  explicit TokenAuthenticator(std::vector<std::string> sha256_hex);
  bool accepts(std::string_view token) const override;

  // What belongs into the config for a token; also `qarax-server --hash-token`.
  static std::string hash(std::string_view token);
  // 64 hex digits?
  static bool is_hash(std::string_view text) noexcept;

 private:
  std::vector<std::string> hashes_;
};

// The token of an Authorization field, empty where the scheme isn't Bearer.
std::string_view bearer_token(std::string_view authorization) noexcept;

}  // namespace qarax::http
