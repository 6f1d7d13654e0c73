// Follows a serial log: a thread of its own reads it from the node, the stream's thread takes the pieces with next().
// The node is read no faster than the client takes them.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "handlers/operations.hpp"

namespace qarax::server {

class ConsoleFollower final : public ConsoleReader {
 public:
  using Sink = std::function<bool(std::string_view)>;
  // Blocks until the log ends, `sink` returns false or a stop is requested.
  using Source = std::function<Status(const Sink& sink, const std::stop_token& stop)>;

  explicit ConsoleFollower(Source source);
  ~ConsoleFollower() override;  // requests the stop and joins
  ConsoleFollower(const ConsoleFollower&) = delete;
  ConsoleFollower& operator=(const ConsoleFollower&) = delete;

  Result<std::optional<std::string>> next(std::chrono::milliseconds wait) override;

 private:
  bool take(std::string_view piece);

  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;
  bool closed_ = false;    // the destructor runs
  bool finished_ = false;  // the source has returned
  Status end_ = Ok{};
  std::thread thread_;  // declared last: it uses all members above
};

}  // namespace qarax::server
