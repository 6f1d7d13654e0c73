// A VM's snapshots: <data>/vms/<uuid>/snapshots/<id>/{manifest.json, what the plugin wrote}. A folder under its final
// name is complete and on disk. An unfinished one has a temporary name and is removed after a failure.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_spec.hpp"

namespace qarax::agent {

// What a restore needs besides the plugin's files.
struct SnapshotManifest {
  std::int64_t format = 1;
  std::int64_t min_reader = 1;
  std::string id{};
  std::string name{};
  std::string created_at{};  // RFC 3339, for display only
  std::string vm{};
  std::int64_t incarnation = 0;  // the incarnation that it was taken of
  std::string hypervisor{};
  std::string plugin_version{};
  VmSpec spec{};
  VmSpec resolved{};
  BootFiles boot{};       // by digest, as in vm.json
  std::int64_t size = 0;  // bytes of the plugin's files
};

// Used on the VM's strand; list() and read() on any thread.
class SnapshotFolder {
 public:
  explicit SnapshotFolder(const std::string& vm_folder) : path_(vm_folder + "/snapshots") {}

  // Makes an empty folder for the plugin to write to. ALREADY_EXISTS: the snapshot exists.
  Result<core::Fd> begin(const std::string& id) const;
  // Syncs every file, then gives the folder its final name; sets `size`. After a failure nothing of it is left.
  Result<SnapshotManifest> finish(SnapshotManifest manifest) const;
  void undo(const std::string& id) const;
  bool holds(const std::string& id) const;
  std::vector<std::string> list() const;  // ids of the complete ones, sorted
  // NOT_FOUND "snapshot-not-found"; DATA_LOSS: it can't be read; FAILED_PRECONDITION "node-outdated": a newer agent
  // wrote it.
  Result<SnapshotManifest> read(const std::string& id) const;
  Result<core::Fd> open(const std::string& id) const;
  Status remove(const std::string& id) const;  // success if it doesn't exist
  void remove_all() const;
  // Removes what an interrupted begin(), finish() or remove() left behind.
  void sweep() const;
  // Almost no room is left: the likely cause of a write that failed, whatever the plugin says.
  bool disk_is_full() const;

 private:
  std::string place(const std::string& id) const { return path_ + "/" + id; }
  std::string path_;
};

}  // namespace qarax::agent

namespace qarax {
template <>
struct Fields<agent::SnapshotManifest> {
  using T = agent::SnapshotManifest;
  static constexpr std::string_view kName = "manifest.json";
  static constexpr auto kTable =
      field_table(field<&T::format>("format").required(), field<&T::min_reader>("min_reader").required(),
                  field<&T::id>("id").required(), field<&T::name>("name"), field<&T::created_at>("created_at"),
                  field<&T::vm>("vm").required(), field<&T::incarnation>("incarnation"),
                  field<&T::hypervisor>("hypervisor").required(), field<&T::plugin_version>("plugin_version"),
                  field<&T::spec>("spec").required(), field<&T::resolved>("resolved").required(),
                  field<&T::boot>("boot"), field<&T::size>("size"));
};
QARAX_FIELDS_COMPLETE(agent::SnapshotManifest);
}  // namespace qarax
