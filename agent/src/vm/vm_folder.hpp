// What the agent keeps of one VM: <data>/vms/<uuid>/{vm.json, handle.json, journal, ledger, run/<incarnation>/,
// snapshots/<id>/}.
#pragma once

#include <optional>
#include <string>

#include "journal.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::agent {

// vm.json: who the VM is and what its current incarnation was started with. format and min_reader as in every file
// here.
struct VmDocument {
  std::int64_t format = 1;
  std::int64_t min_reader = 1;
  std::string vm{};
  std::string name{};
  std::string hypervisor{};
  std::int64_t incarnation = 0;
  std::string boot_identity{};  // core::boot_identity() of that start
  VmSpec spec{};                // as it now is: a resize changes it, and `resolved` and `live` with it
  std::optional<VmSpec> resolved{};
  RawJson live{};                               // what the plugin said of the running incarnation after its last resize
  BootFiles boot{};                             // immutable by digest, so this freezes what the VM boots
  std::optional<std::string> boot_source_id{};  // as it was asked for
  RawJson keep{};                               // the server's own words, for an adopt
  std::int64_t keep_edition = 0;                // of name and keep
};

class VmFolder {
 public:
  explicit VmFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // NOT_FOUND only for a folder that isn't there; an empty or damaged one is DATA_LOSS with the reason. Anything else
  // is what kept it from being read, and may pass.
  Result<VmDocument> read_document() const;
  Status write_document(const VmDocument& document) const;
  Result<RawJson> read_handle() const;  // "null" where none was kept
  Status write_handle(std::string_view handle) const;
  Status remove_handle() const;  // not waited for: after a loss of power no handle is looked at
  Result<Journal> open_journal(After after) const { return Journal::open(path_ + "/journal", after); }
  std::int64_t highest_revision_in_journal() const { return highest_revision_in(path_ + "/journal"); }
  // An empty one in place of one that is damaged, which is kept beside it; named for good with the next document.
  Result<Journal> begin_journal_anew(std::int64_t revision) const;
  // Run folders of incarnations before `keep`; their console logs go with them.
  void remove_old_runs(std::int64_t keep) const;
  // Frees what is large, so that the rest of a delete fits on a full disk.
  void remove_runs() const { remove_old_runs(INT64_MAX); }
  // Gone under its name when it returns, and with its content then or after the agent's next start.
  Status remove() const;
  // A new folder, there only together with its journal, that first record, and its document.
  Result<Journal> make(const JournalRecord& first, const VmDocument& document) const;
  bool exists() const;
  bool has_document() const;
  bool has_runs() const;
  // What a folder that was being made or removed leaves behind.
  static bool is_debris(std::string_view name);

 private:
  std::string path_;
};

}  // namespace qarax::agent

namespace qarax {
template <>
struct Fields<agent::VmDocument> {
  using T = agent::VmDocument;
  static constexpr std::string_view kName = "vm.json";
  static constexpr auto kTable = field_table(
      field<&T::format>("format").required(), field<&T::min_reader>("min_reader").required(),
      field<&T::vm>("vm").required(), field<&T::name>("name"), field<&T::hypervisor>("hypervisor").required(),
      field<&T::incarnation>("incarnation").required(), field<&T::boot_identity>("boot_identity"),
      field<&T::spec>("spec"), field<&T::resolved>("resolved"), field<&T::live>("live"), field<&T::boot>("boot"),
      field<&T::boot_source_id>("boot_source_id"), field<&T::keep>("keep"), field<&T::keep_edition>("keep_edition"));
};
QARAX_FIELDS_COMPLETE(agent::VmDocument);
}  // namespace qarax
