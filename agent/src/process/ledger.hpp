// What a VM owns besides its folder. <vm>/ledger gets one line for each claim or release, written before the thing is
// made, and synced if the thing outlives a loss of power. The file is rewritten shorter once most of it is about
// earlier runs.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct LedgerEntry {
  std::string kind;
  std::string name;
  bool operator==(const LedgerEntry&) const = default;
};

class Ledger {
 public:
  static constexpr std::int64_t kCompactFrom = 65'536;  // bytes: some hundred starts of a VM
  explicit Ledger(const std::string& vm_dir) : path_(vm_dir + "/ledger") {}
  static Ledger at(std::string file) {
    Ledger out{std::string()};
    out.path_ = std::move(file);
    return out;
  }

  Status claim(const std::vector<LedgerEntry>& entries) { return append('+', entries); }
  Status release(const std::vector<LedgerEntry>& entries) { return append('-', entries); }
  // What is claimed and not released. A line that a crash cut off was never acknowledged and is ignored.
  Result<std::vector<LedgerEntry>> owned() const;

 private:
  Status append(char sign, const std::vector<LedgerEntry>& entries);
  Result<core::Fd> locked() const;
  Result<std::int64_t> whole_lines(int fd) const;  // cuts off an incomplete last line; the file's size then
  // Rewrites the file without released claims and without those inside a run folder that is gone, but only if that
  // removes at least half of it.
  Status compact(std::int64_t size) const;
  std::string path_;
};

}  // namespace qarax::agent
