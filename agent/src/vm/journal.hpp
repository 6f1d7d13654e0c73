// A VM's journal: what was about to be done and what came of it, each record on disk before the next step.
// Append-only; a record is its length, its CRC-32 and its bytes. A torn tail is dropped, a damaged record before it is
// an error. Space is reserved ahead, so that a stop and a delete fit on a full disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax::agent {

enum class RecordKind { unknown, intent, result, exit };

struct JournalRecord {
  RecordKind kind = RecordKind::unknown;
  std::int64_t revision = 0;
  std::int32_t step = 0;
  std::string action{};
  std::int64_t incarnation = 0;
  RawJson status{};  // VmStatus after it: result, exit
  RawJson error{};   // Error of a result that failed
};

class Journal {
 public:
  // Reads what is there. DATA_LOSS: a record that isn't the last is damaged.
  static Result<Journal> open(const std::string& path);

  const std::vector<JournalRecord>& records() const { return records_; }
  // Durable when it returns.
  Status append(const JournalRecord& record);
  // Only what a restart needs is kept once the file has grown: the latest intent, result and exit.
  Status compact();
  std::int64_t size() const { return size_; }

 private:
  Status reserve();

  std::string path_;
  core::Fd fd_;
  std::int64_t size_ = 0;
  std::int64_t reserved_ = 0;
  std::vector<JournalRecord> records_;
};

std::uint32_t crc32(std::string_view data);  // IEEE 802.3

}  // namespace qarax::agent

namespace qarax {
template <>
struct EnumNames<agent::RecordKind> {
  static constexpr std::string_view kNames[] = {"unknown", "intent", "result", "exit"};
  static constexpr agent::RecordKind kUnknown = agent::RecordKind::unknown;
};
template <>
struct Fields<agent::JournalRecord> {
  using T = agent::JournalRecord;
  static constexpr std::string_view kName = "JournalRecord";
  static constexpr auto kTable =
      std::make_tuple(field<&T::kind>("kind").required(), field<&T::revision>("revision"), field<&T::step>("step"),
                      field<&T::action>("action"), field<&T::incarnation>("incarnation"), field<&T::status>("status"),
                      field<&T::error>("error"));
};
QARAX_FIELDS_COMPLETE(agent::JournalRecord);
}  // namespace qarax
