// Decides who may call the API. Injected into the server; without an authenticator every route is open (a loopback
// install).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qarax::http {

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // Called on worker threads, concurrently, for every request to a route that isn't open. `token` is the part of the
  // Authorization field after "Bearer ", empty if there is none.
  virtual bool accepts(std::string_view token) const = 0;
};

// Accepts the tokens of the config, which holds each as its SHA-256 in lower-case hex. Compares in constant time.
class TokenAuthenticator : public Authenticator {
 public:
  explicit TokenAuthenticator(std::vector<std::string> sha256_hex);
  bool accepts(std::string_view token) const override;

  // The config entry for a token, which is also what `qarax-server --hash-token` prints.
  static std::string hash(std::string_view token);
  // Whether `text` is 64 hex digits.
  static bool is_hash(std::string_view text) noexcept;

 private:
  std::vector<std::string> hashes_;
};

// The token of an Authorization field, empty if the scheme isn't Bearer.
std::string_view bearer_token(std::string_view authorization) noexcept;

}  // namespace qarax::http
