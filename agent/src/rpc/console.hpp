// The serial console of a VM, from the files and the socket that its supervisor keeps in the run folder.
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

// The last `tail_bytes` of the stored serial log (console.log.1, then console.log); 0: all of it. The log may be
// rotated meanwhile. `between` is for tests: it runs when one of the two files is open and the other isn't.
std::string read_console_log(const std::string& run_dir, std::int64_t tail_bytes,
                             const std::function<void()>& between = {});

// True if the supervisor's control socket exists, so that output may still be added.
bool is_console_open(const std::string& run_dir);

// A connection to the supervisor's control socket, with a thread that reads from it. The supervisor copies the output
// to all its clients and marks what a slow one missed, so nothing here can block the guest.
class ConsoleLink {
 public:
  // `on_data` gets each piece of output on the link's thread; an empty piece marks the end and is the last call. It may
  // block.
  using Sink = std::function<void(std::string)>;
  static Result<std::unique_ptr<ConsoleLink>> open(const std::string& run_dir, std::int64_t tail_bytes, Sink on_data);
  ~ConsoleLink();  // ends the reading and joins its threads; not to be called from `on_data`
  ConsoleLink(const ConsoleLink&) = delete;
  ConsoleLink& operator=(const ConsoleLink&) = delete;

  // Sends to the guest on a separate thread, because a guest that doesn't read makes it wait; `done` is called on that
  // thread. At most one write at a time.
  void write(std::string data, std::function<void(Status)> done);
  void close();  // any thread; on_data("") follows, and a write that waits ends

 private:
  explicit ConsoleLink(core::Fd socket) : socket_(std::move(socket)) {}

  void write_all();

  core::Fd socket_;
  std::thread reader_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string output_;
  std::function<void(Status)> done_;  // of the write in progress
  bool closed_ = false;
  std::thread writer_;  // started by the first write
};

}  // namespace qarax::agent
