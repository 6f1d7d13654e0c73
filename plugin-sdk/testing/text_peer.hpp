// A VMM's socket for fuzzers: sends one text to each client, then hangs up. One thread and one socket for all inputs.
#pragma once

#include <mutex>
#include <string>
#include <thread>

#include "temp_folder.hpp"
#include "unix_socket.hpp"

namespace qarax::plugin::testing {

class TextPeer {
 public:
  // Listens on the socket `name` in a folder of its own; aborts if that fails.
  explicit TextPeer(const std::string& name);
  ~TextPeer();
  TextPeer(const TextPeer&) = delete;
  TextPeer& operator=(const TextPeer&) = delete;

  const std::string& folder() const { return folder_.path(); }
  // Sets the text for clients that connect from now on; at most what a socket's buffer holds.
  void say(std::string text);

 private:
  void serve();

  TempFolder folder_;
  Socket listener_;
  std::mutex mutex_;
  std::string text_;
  std::thread thread_;
};

}  // namespace qarax::plugin::testing
