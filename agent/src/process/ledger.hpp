// What a VM owns beside its folder: one line a claim or release in <vm>/ledger before the thing is made, on disk where
// the thing outlives a loss of power. It is written anew, shorter, once most of it is of earlier runs.
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
  // What is claimed and not released. A line that was cut off by a crash was never acknowledged and counts as absent.
  Result<std::vector<LedgerEntry>> owned() const;

 private:
  Status append(char sign, const std::vector<LedgerEntry>& entries);
  Result<core::Fd> locked() const;
  Result<std::int64_t> whole_lines(int fd) const;  // the file's size, after what was left of a line is cut off
  // Without what was released, and what went with a run's folder; nothing changes where that isn't the larger part.
  Status compact(std::int64_t size) const;
  std::string path_;
};

}  // namespace qarax::agent
