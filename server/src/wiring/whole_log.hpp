// A serial log that is read to its end before it is sent. What all of them hold together is bounded, from the first
// byte until the reply that has it is sent: a slow client keeps its log for as long as that takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "handlers/operations.hpp"

namespace qarax::server {

// Bytes that replies hold, all together. Outlives them. Any thread.
class ReplyRoom {
 public:
  explicit ReplyRoom(std::int64_t most) : most_(most) {}
  std::int64_t held() const { return held_.load(); }

  // A part of it, given back with the object.
  class Part {
   public:
    explicit Part(ReplyRoom& room) : room_(room) {}
    ~Part() { room_.held_ -= held_; }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    // False: they would hold too much. One that is alone may have all that it needs.
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

// `read` hands over the log's pieces until it ends or is told false. Its room is held for as long as the reader is
// there. RESOURCE_EXHAUSTED "overloaded": others hold it.
using ReadLog = std::function<Status(const std::function<bool(std::string_view)>& sink)>;
Result<std::unique_ptr<ConsoleReader>> read_whole_log(ReplyRoom& room, const ReadLog& read);

}  // namespace qarax::server
