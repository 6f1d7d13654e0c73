// A VM's journal: what was about to be done and what came of it. Each record is written before the next step begins.
// The file is append-only; a record is its length, its CRC-32 and its bytes. A torn record at the end is dropped; a
// damaged record before the end is an error. Space is reserved ahead, so that a stop and a delete fit on a full disk.
// Which records wait for the disk: core/decisions/0004-what-waits-for-the-disk.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/core/lifecycle.hpp"
#include "qarax/plugin/fields.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::agent {

enum class RecordKind { unknown, intent, result, exit };

// What a record survives once append() has returned: the agent's end, or the host's loss of power as well.
enum class Outlives { agent, host };

// What has ended since the journal was last written: the agent alone, or the host with it. After the host's end every
// record behind the last synced one may be torn, and none of them is about anything that still runs.
enum class After { agent, host };

struct JournalRecord {
  RecordKind kind = RecordKind::unknown;
  std::int64_t revision = 0;
  std::int32_t step = 0;
  std::string action{};
  std::int64_t incarnation = 0;
  RawJson status{};  // for result and exit: the VmStatus after it
  RawJson error{};   // for a result that failed: its Error
  // For the intent of a resize, a snapshot or a stop, which a restart needs in detail: the command's document (earlier
  // agents left it out of a stop's), and the VM's state at that time.
  RawJson document{};
  VmState before = VmState::unknown;
};

class Journal {
 public:
  // Reads the existing records. DATA_LOSS: a record before the last one is damaged, or one can't be decoded.
  static Result<Journal> open(const std::string& path, After after);

  const std::vector<JournalRecord>& records() const { return records_; }
  // RESOURCE_EXHAUSTED "disk-full": the remaining room is reserved for records that end the VM. RESOURCE_EXHAUSTED
  // without that reason: the record is larger than open() would accept.
  Status append(const JournalRecord& record, Outlives outlives);
  // Shrinks the file to what a restart needs: the latest intent, result and exit.
  Status compact();
  std::int64_t size() const { return size_; }

 private:
  Status reserve(std::int64_t more = 0);

  std::string path_;
  core::Fd fd_;
  std::int64_t size_ = 0;
  std::int64_t reserved_ = 0;
  std::vector<JournalRecord> records_;
};

// The highest revision in a journal that open() refuses, of the records that are whole, also behind the damage; 0: none
// can be read.
std::int64_t highest_revision_in(const std::string& path);

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
      field_table(field<&T::kind>("kind").required(), field<&T::revision>("revision"), field<&T::step>("step"),
                  field<&T::action>("action"), field<&T::incarnation>("incarnation"), field<&T::status>("status"),
                  field<&T::error>("error"), field<&T::document>("document"), field<&T::before>("before"));
};
QARAX_FIELDS_COMPLETE(agent::JournalRecord);
}  // namespace qarax
