// A VM's snapshots: <data>/vms/<uuid>/snapshots/<id>/{manifest.json, what the plugin wrote}. One that has its name is
// whole and on disk; until then it has another, and nothing of it stays behind.
#pragma once

#include <string>
#include <vector>

#include "qarax/core/files.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/vm_spec.hpp"

namespace qarax::agent {

// What a restore needs beside the plugin's files.
struct SnapshotManifest {
  std::int64_t format = 1;
  std::int64_t min_reader = 1;
  std::string id{};
  std::string name{};
  std::string created_at{};  // RFC 3339, for people
  std::string vm{};
  std::int64_t incarnation = 0;  // that it was taken of
  std::string hypervisor{};
  std::string plugin_version{};
  VmSpec spec{};
  VmSpec resolved{};
  BootFiles boot{};       // by digest, as in vm.json
  std::int64_t size = 0;  // bytes of the plugin's files
};

// On the VM's strand.
class SnapshotFolder {
 public:
  explicit SnapshotFolder(const std::string& vm_folder) : path_(vm_folder + "/snapshots") {}

  // An empty folder for the plugin to write to. ALREADY_EXISTS: that snapshot is there.
  Result<core::Fd> begin(const std::string& id) const;
  // Every byte on disk, then the name; `size` is found here. What fails leaves nothing.
  Result<SnapshotManifest> finish(SnapshotManifest manifest) const;
  void undo(const std::string& id) const;
  bool holds(const std::string& id) const;
  std::vector<std::string> list() const;  // whole ones, by id; any thread
  // NOT_FOUND "snapshot-not-found"; DATA_LOSS for one that can't be read.
  Result<SnapshotManifest> read(const std::string& id) const;
  Result<core::Fd> open(const std::string& id) const;
  Status remove(const std::string& id) const;  // success where there is none
  void remove_all() const;
  // What an agent's end has interrupted.
  void sweep() const;
  // No more than a crumb of room is left: why a write may have failed, whatever the plugin says.
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
