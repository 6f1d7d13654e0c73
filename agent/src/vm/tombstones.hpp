// <data>/tombstones/<uuid>.json: the VMs that were deleted by command, each with the revision that did it, so that a
// command which comes late brings none of them back. The latest ones only, by the order in which they were written (of
// those of earlier agents, by their files' times): a command overtaken by thousands of deletes would be of another
// server or of its database's old copy, and those are refused by their term (core/decisions/0005-whose-node-it-is.md).
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "qarax/plugin/fields.hpp"
#include "qarax/result.hpp"

namespace qarax::agent {

struct Tombstone {
  std::string vm{};
  std::int64_t revision = 0;
  std::int32_t step = 0;
};

// Any thread; a VM's own by one thread at a time.
class Tombstones {
 public:
  static constexpr std::size_t kMost = 10'000;  // some 40 MB of a disk's blocks
  explicit Tombstones(std::string folder, std::size_t most = kMost) : folder_(std::move(folder)), most_(most) {}

  Status write(const Tombstone& stone) const;
  // NOT_FOUND: there is none. DATA_LOSS: there is, and it can't be understood. Else what keeps it from being read.
  Result<Tombstone> read(const std::string& vm) const;
  // A VM was deleted: once a tenth more than `most` may be there, the oldest go. What can't be removed stays.
  void one_more(const std::string& vm);
  // The same at once: at the agent's start, when nothing is known of how many there are.
  void remove_oldest();

 private:
  std::string path_of(const std::string& vm) const { return folder_ + "/" + vm + ".json"; }
  const std::string folder_;
  const std::size_t most_;
  std::mutex mutex_;
  std::size_t added_ = 0;          // since the last look
  std::deque<std::string> own_{};  // written by this object, the latest last: no clock says in which order
};

}  // namespace qarax::agent

namespace qarax {
template <>
struct Fields<agent::Tombstone> {
  using T = agent::Tombstone;
  static constexpr std::string_view kName = "Tombstone";
  static constexpr auto kTable =
      field_table(field<&T::vm>("vm").required(), field<&T::revision>("revision").required(), field<&T::step>("step"));
};
QARAX_FIELDS_COMPLETE(agent::Tombstone);
}  // namespace qarax
