// <data>/tombstones/<uuid>.json: one for each VM that was deleted by command, with the revision of the delete, so that
// a late command doesn't bring the VM back. Only the latest are kept, by the order in which they were written (those of
// earlier agents by their files' times). A command that arrives after thousands of later deletes can only come from
// another server or an old copy of its database, and those are refused by their term
// (core/decisions/0005-whose-node-it-is.md).
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

// Any thread; for one VM, one thread at a time.
class Tombstones {
 public:
  static constexpr std::size_t kMost = 10'000;  // about 40 MB in disk blocks
  explicit Tombstones(std::string folder, std::size_t most = kMost) : folder_(std::move(folder)), most_(most) {}

  Status write(const Tombstone& stone) const;
  // NOT_FOUND: there is none. DATA_LOSS: it exists but can't be decoded. Other errors say why it can't be read.
  Result<Tombstone> read(const std::string& vm) const;
  // Call this after a VM was deleted. Once a tenth more than `most` may exist, the oldest are removed, as far as
  // possible.
  void one_more(const std::string& vm);
  // Removes the oldest beyond `most` at once. For the agent's start, when the number of tombstones is unknown.
  void remove_oldest();

 private:
  std::string path_of(const std::string& vm) const { return folder_ + "/" + vm + ".json"; }
  const std::string folder_;
  const std::size_t most_;
  std::mutex mutex_;
  std::size_t added_ = 0;          // since the last remove_oldest()
  std::deque<std::string> own_{};  // written by this object, the latest last: their order depends on no clock
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
