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

// Accepts the tokens of the config, which holds each as its SHA-256 in lower-case hex (core's is_token_of()).
class TokenAuthenticator : public Authenticator {
 public:
  explicit TokenAuthenticator(std::vector<std::string> sha256_hex);
  bool accepts(std::string_view token) const override;

 private:
  std::vector<std::string> hashes_;
};

}  // namespace qarax::http
