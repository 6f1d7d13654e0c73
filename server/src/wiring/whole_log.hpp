// A serial log that is read to its end before it is sent. The memory of all such logs together is bounded. A log counts
// from its first byte until its reply is sent, which takes as long as the client is slow.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "handlers/operations.hpp"

namespace qarax::server {

// The bytes that all replies together may hold. Outlives the replies. Any thread.
class ReplyRoom {
 public:
  explicit ReplyRoom(std::int64_t most) : most_(most) {}
  std::int64_t held() const { return held_.load(); }

  // One reply's share; the destructor gives it back.
  class Part {
   public:
    explicit Part(ReplyRoom& room) : room_(room) {}
    ~Part() { room_.held_ -= held_; }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    // False if the limit is exceeded. A reply that is the only one may exceed it.
    bool grow(std::size_t bytes) {
      held_ += static_cast<std::int64_t>(bytes);
      const std::int64_t all = room_.held_ += static_cast<std::int64_t>(bytes);
      return all <= room_.most_ || all == held_;
    }

   private:
    ReplyRoom& room_;
    std::int64_t held_ = 0;
  };

 private:
  const std::int64_t most_;
  std::atomic<std::int64_t> held_{0};
};

// `read` passes the log's pieces to the sink until the log ends or the sink returns false. The returned reader holds
// its share of `room` until it is destroyed. RESOURCE_EXHAUSTED "overloaded" if other replies hold the room.
using ReadLog = std::function<Status(const std::function<bool(std::string_view)>& sink)>;
Result<std::unique_ptr<ConsoleReader>> read_whole_log(ReplyRoom& room, const ReadLog& read);

}  // namespace qarax::server
