// A server for tests: answers each request with the bytes that a function makes of it, and keeps every connection open.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace qarax::cli {

class ScriptedServer {
 public:
  // Gets the request's target and how many came before it; an empty answer leaves the client waiting.
  using Answer = std::function<std::string(const std::string& target, std::size_t before)>;

  // Listens on a port of 127.0.0.1 that the kernel chooses.
  explicit ScriptedServer(Answer answer);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // The targets of the requests so far.
  std::vector<std::string> asked() const;

  // A JSON document as a whole reply; `link` is the value of a Link field.
  static std::string document(const std::string& json, const std::string& link = {});
  // The head of a reply that goes on, and its first piece.
  static std::string stream(const std::string& piece);

 private:
  void serve();

  const Answer answer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::vector<int> open_;  // connections
  std::thread thread_;
};

}  // namespace qarax::cli
