// What the agent keeps of one VM: <data>/vms/<uuid>/{vm.json, handle.json, journal, ledger, run/<incarnation>/,
// snapshots/<id>/}.
#pragma once

#include <optional>
#include <string>

#include "journal.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_status.hpp"

namespace qarax::agent {

// vm.json: who the VM is and what its current incarnation was started with.
struct VmDocument {
  std::int64_t format = 1;
  std::int64_t min_reader = 1;
  std::string vm{};
  std::string name{};
  std::string hypervisor{};
  std::int64_t incarnation = 0;
  std::string boot_identity{};  // core::boot_identity() when it was started
  VmSpec spec{};                // the current one: a resize changes it, and `resolved` and `live` with it
  std::optional<VmSpec> resolved{};
  RawJson live{};                               // what the plugin said of the running incarnation after the last resize
  BootFiles boot{};                             // the files are immutable by digest, so this freezes what the VM boots
  std::optional<std::string> boot_source_id{};  // as the start asked for it
  RawJson keep{};                               // the server's own words, given back at an adopt
  std::int64_t keep_edition = 0;                // edition of `name` and `keep`
};

class VmFolder {
 public:
  explicit VmFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // NOT_FOUND only if the folder doesn't exist. An empty or damaged folder is DATA_LOSS with the reason. Other errors
  // say why it can't be read now; they may pass.
  Result<VmDocument> read_document() const;
  Status write_document(const VmDocument& document) const;
  Result<RawJson> read_handle() const;  // "null" if none was stored
  Status write_handle(std::string_view handle) const;
  Status remove_handle() const;  // not synced: after a loss of power no handle is read
  Result<Journal> open_journal(After after) const { return Journal::open(path_ + "/journal", after); }
  std::int64_t highest_revision_in_journal() const { return highest_revision_in(path_ + "/journal"); }
  // Begins an empty journal in place of a damaged one, which is kept beside it. The renaming is on disk for certain
  // once the next document is written.
  Result<Journal> begin_journal_anew(std::int64_t revision) const;
  // Removes the run folders of incarnations before `keep`, with their console logs.
  void remove_old_runs(std::int64_t keep) const;
  // Frees the large files first, so that the rest of a delete fits on a full disk.
  void remove_runs() const { remove_old_runs(INT64_MAX); }
  // When it returns the folder has lost its name. Its content is deleted now, or at the agent's next start.
  Status remove() const;
  // Makes a new folder that appears with its journal, the first record and the document, or not at all.
  Result<Journal> make(const JournalRecord& first, const VmDocument& document) const;
  bool exists() const;
  bool has_document() const;
  bool has_runs() const;
  // The name of a folder that an interrupted make() or remove() left behind.
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
