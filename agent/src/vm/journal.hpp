// A VM's journal: what was about to be done and what came of it, each record in the file before the next step.
// Append-only; a record is its length, its CRC-32 and its bytes. A torn tail is dropped, a damaged record before it is
// an error. Space is reserved ahead, so that a stop and a delete fit on a full disk. Which records wait for the disk:
// core/decisions/0004-what-waits-for-the-disk.md.
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

// What a record outlives once append() has returned: this process, or the host's loss of power too.
enum class Outlives { agent, host };

// Whose end came before this opening. After the host's, whatever lies behind the last record that waited for the disk
// may be torn, and none of it speaks of anything that still runs.
enum class After { agent, host };

struct JournalRecord {
  RecordKind kind = RecordKind::unknown;
  std::int64_t revision = 0;
  std::int32_t step = 0;
  std::string action{};
  std::int64_t incarnation = 0;
  RawJson status{};  // VmStatus after it: result, exit
  RawJson error{};   // Error of a result that failed
  // Of the intent of a resize, a snapshot or a stop, which a restart has to know more of than its name: the command's
  // document (earlier agents left it out of a stop's), and the VM's state then.
  RawJson document{};
  VmState before = VmState::unknown;
};

class Journal {
 public:
  // Reads what is there. DATA_LOSS: a record that isn't the last is damaged.
  static Result<Journal> open(const std::string& path, After after);

  const std::vector<JournalRecord>& records() const { return records_; }
  // RESOURCE_EXHAUSTED "disk-full": the room that is left is kept for what ends the VM. RESOURCE_EXHAUSTED without
  // that reason: the record is larger than an open() would take.
  Status append(const JournalRecord& record, Outlives outlives);
  // Only what a restart needs is kept once the file has grown: the latest intent, result and exit.
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
