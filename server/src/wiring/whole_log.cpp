#include "wiring/whole_log.hpp"

#include <optional>
#include <string>
#include <utility>

namespace qarax::server {

namespace {

constexpr std::size_t kLargestLog = 64u << 20;  // bytes; the node keeps far less

class WholeLog final : public ConsoleReader {
 public:
  explicit WholeLog(ReplyRoom& room) : part_(room) {}

  // False if there is no room.
  bool add(std::string_view piece) {
    if (!part_.grow(piece.size())) return false;
    text_->append(piece);
    return true;
  }
  std::size_t size() const { return text_->size(); }
  Result<std::optional<std::string>> next(std::chrono::milliseconds) override {
    return std::exchange(text_, std::nullopt);
  }

 private:
  ReplyRoom::Part part_;
  std::optional<std::string> text_ = std::string();
};

}  // namespace

Result<std::unique_ptr<ConsoleReader>> read_whole_log(ReplyRoom& room, const ReadLog& read) {
  auto log = std::make_unique<WholeLog>(room);
  bool fits = true;
  QARAX_CHECK(read([&](std::string_view piece) {
    fits = log->add(piece);
    return fits && log->size() < kLargestLog;
  }));
  if (!fits) return make_error(Code::resource_exhausted, "too many serial logs are being sent at once", "overloaded");
  return std::unique_ptr<ConsoleReader>(std::move(log));
}

}  // namespace qarax::server
