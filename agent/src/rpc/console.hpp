// The serial console of a VM, from what its supervisor keeps in the run folder.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

// The kept serial log (console.log.1, then console.log), its last `tail_bytes`; 0: all of it.
std::string read_console_log(const std::string& run_dir, std::int64_t tail_bytes);

// Whether there is still somebody who could add to it.
bool is_console_open(const std::string& run_dir);

// A connection to the supervisor's control socket with a thread that reads it. The supervisor fans out to its clients
// and marks what a slow one missed, so nothing here can block the guest.
class ConsoleLink {
 public:
  // `on_data` gets each piece of output on the link's thread; an empty piece is the end, and the last call. It may
  // block.
  using Sink = std::function<void(std::string)>;
  static Result<std::unique_ptr<ConsoleLink>> open(const std::string& run_dir, std::int64_t tail_bytes, Sink on_data);
  ~ConsoleLink();  // ends the reading and joins; not from `on_data`
  ConsoleLink(const ConsoleLink&) = delete;
  ConsoleLink& operator=(const ConsoleLink&) = delete;

  // To the guest, on a thread of its own, because a guest that doesn't read makes it wait; `done` follows there. At
  // most one at a time.
  void write(std::string data, std::function<void(Status)> done);
  void close();  // from any thread; on_data("") follows, and a write that waits ends

 private:
  explicit ConsoleLink(core::Fd socket) : socket_(std::move(socket)) {}

  void write_all();

  core::Fd socket_;
  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string output_;
  std::function<void(Status)> done_;  // of what is being written
  bool closed_ = false;
  std::thread writer_;  // from the first write on
};

}  // namespace qarax::agent
