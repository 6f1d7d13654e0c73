#include "boot_files_in_use.hpp"

#include <filesystem>
#include <vector>

#include "qarax/core/ids.hpp"
#include "qarax/core/set_aside.hpp"
#include "snapshot_folder.hpp"
#include "vm_folder.hpp"

namespace qarax::agent {

namespace {

void add(const BootFiles& boot, std::set<std::string>& names) {
  for (const std::string& file : {boot.kernel, boot.kernel_pvh, boot.initramfs})
    if (!file.empty()) names.insert(std::filesystem::path(file).filename().string());
}

// The UUIDs that entries of `folder` are named by; none if the folder doesn't exist.
Result<std::vector<std::string>> ids_in(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (std::string name = at->path().filename().string(); core::is_uuid(name)) out.push_back(std::move(name));
  if (error && error != std::errc::no_such_file_or_directory)
    return make_error(Code::unavailable, "can't list " + folder + ": " + error.message());
  return out;
}

Status add_all_of(const std::string& vms_dir, std::set<std::string>& names) {
  QARAX_TRY(const auto vms, ids_in(vms_dir));
  for (const std::string& id : vms) {
    const VmFolder folder(std::string(vms_dir).append("/").append(id));
    QARAX_TRY(const VmDocument document, folder.read_document());
    add(document.boot, names);
    const SnapshotFolder snapshots(folder.path());
    QARAX_TRY(const auto taken, ids_in(folder.path() + "/snapshots"));
    for (const std::string& snapshot : taken) {
      QARAX_TRY(const SnapshotManifest manifest, snapshots.read(snapshot));
      add(manifest.boot, names);
    }
  }
  return Ok{};
}

}  // namespace

Result<std::set<std::string>> boot_files_in_use(const std::string& data_dir) {
  std::set<std::string> names;
  QARAX_CHECK(add_all_of(data_dir + "/vms", names));
  std::error_code error;
  for (std::filesystem::directory_iterator at(data_dir, error), end; !error && at != end; at.increment(error))
    if (at->path().filename().string().starts_with(core::kSetAside))
      QARAX_CHECK(add_all_of(at->path().string(), names));
  if (error) return make_error(Code::unavailable, "can't list " + data_dir + ": " + error.message());
  return names;
}

}  // namespace qarax::agent
