#include "snapshot_folder.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "folder_names.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::agent {

namespace {

constexpr std::int64_t kManifestReader = 1;
constexpr std::uint64_t kCrumb = 256u << 10;  // bytes

Result<core::Fd> open_folder(const std::string& path) {
  core::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return core::errno_error("can't open the snapshot's folder " + path, errno);
  return fd;
}

// Syncs every file and folder below `folder`. Returns the size of all files in bytes.
Result<std::int64_t> sync_files(const std::string& folder) {
  std::int64_t size = 0;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    const auto type = it->symlink_status().type();
    if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::directory)
      return make_error(Code::internal, "the plugin left what is neither a file nor a folder: " + path, "plugin-bug");
    const core::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd || ::fsync(fd.get()) != 0) return core::errno_error("can't sync " + path, errno);
    if (it->is_regular_file()) size += static_cast<std::int64_t>(it->file_size());
  }
  if (error) return make_error(Code::internal, "can't list " + folder + ": " + error.message());
  return size;
}

}  // namespace

Result<core::Fd> SnapshotFolder::begin(const std::string& id) const {
  if (holds(id)) return make_error(Code::already_exists, "there is a snapshot " + id + " already");
  sweep();
  const std::string unfinished = place(kUnfinished + id);
  QARAX_CHECK(core::make_folder(unfinished));
  return open_folder(unfinished);
}

Result<SnapshotManifest> SnapshotFolder::finish(SnapshotManifest manifest) const {
  const std::string unfinished = place(kUnfinished + manifest.id);
  const auto write = [&]() -> Status {
    QARAX_TRY(manifest.size, sync_files(unfinished));
    QARAX_CHECK(core::write_file_durably(unfinished + "/manifest.json", encode(manifest, Defaults::write)));
    if (::rename(unfinished.c_str(), place(manifest.id).c_str()) != 0)
      return core::errno_error("can't name the snapshot " + place(manifest.id), errno);
    auto named = core::sync_folder(path_);
    // The caller is told that the snapshot failed, so it must not be there under its name.
    if (!named) ::rename(place(manifest.id).c_str(), unfinished.c_str());
    return named;
  };
  if (auto written = write(); !written) {
    undo(manifest.id);
    return std::move(written).error();
  }
  return manifest;
}

void SnapshotFolder::undo(const std::string& id) const {
  std::error_code ignored;
  std::filesystem::remove_all(place(kUnfinished + id), ignored);
}

bool SnapshotFolder::holds(const std::string& id) const {
  return ::access((place(id) + "/manifest.json").c_str(), F_OK) == 0;
}

std::vector<std::string> SnapshotFolder::list() const {
  std::vector<std::string> out;
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(path_, ignored), end; !ignored && it != end; it.increment(ignored))
    if (std::string name = it->path().filename().string(); core::is_uuid(name) && holds(name))
      out.push_back(std::move(name));
  std::sort(out.begin(), out.end());
  return out;
}

Result<SnapshotManifest> SnapshotFolder::read(const std::string& id) const {
  auto text = core::read_file(place(id) + "/manifest.json");
  if (!text && text.error().code == Code::not_found)
    return make_error(Code::not_found, "there is no snapshot " + id + " of this VM on its node", "snapshot-not-found");
  if (!text) return std::move(text).error();
  auto manifest = decode<SnapshotManifest>(std::string_view(*text), Unknown::ignore);
  if (!manifest)
    return make_error(Code::data_loss, "snapshot " + id + " is damaged: " + manifest.error().message, "data-loss");
  if (manifest->min_reader > kManifestReader)
    return make_error(Code::failed_precondition,
                      "snapshot " + id + " was written by a newer qarax-node; upgrade this one", "node-outdated");
  return manifest;
}

Result<core::Fd> SnapshotFolder::open(const std::string& id) const { return open_folder(place(id)); }

Status SnapshotFolder::remove(const std::string& id) const {
  const std::string aside = place(kRemoved + id);
  if (::rename(place(id).c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) return Ok{};
    return core::errno_error("can't remove the snapshot " + place(id), errno);
  }
  Status synced = core::sync_folder(path_);
  sweep();
  return synced;
}

void SnapshotFolder::remove_all() const {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void SnapshotFolder::sweep() const {
  std::error_code ignored;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path_, error), end; !error && it != end; it.increment(error))
    if (is_broken_off(it->path().filename().string())) std::filesystem::remove_all(it->path(), ignored);
}

bool SnapshotFolder::disk_is_full() const {
  struct statvfs room {};
  return ::statvfs(path_.c_str(), &room) == 0 && std::uint64_t{room.f_bavail} * room.f_frsize < kCrumb;
}

}  // namespace qarax::agent
