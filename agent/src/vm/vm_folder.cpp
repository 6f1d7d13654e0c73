#include "vm_folder.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "folder_names.hpp"
#include "qarax/core/files.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kDocumentReader = 1;
}  // namespace

Result<VmDocument> VmFolder::read_document() const {
  auto text = core::read_file(path_ + "/vm.json");
  if (!text && text.error().code == Code::not_found && !exists())
    return make_error(Code::not_found, "there is no folder " + path_);
  // A read error may pass later. A document that is missing, or too long to be one, stays so.
  if (!text && (text.error().code == Code::not_found || text.error().code == Code::out_of_range))
    return make_error(Code::data_loss, "the VM's folder is damaged: " + text.error().message, "vm-folder-damaged");
  if (!text) return std::move(text).error().context("the VM's folder can't be read");
  if (core::min_reader(*text) > kDocumentReader)
    return make_error(Code::data_loss, path_ + "/vm.json was written by a newer agent; upgrade this one",
                      "node-outdated");
  auto document = decode<VmDocument>(std::string_view(*text), Unknown::ignore);
  if (!document)
    return make_error(Code::data_loss, "the VM's folder is damaged: " + path_ + "/" + document.error().message,
                      "vm-folder-damaged");
  return document;
}

Status VmFolder::write_document(const VmDocument& document) const {
  return core::write_file_durably(path_ + "/vm.json", encode(document));
}

Result<RawJson> VmFolder::read_handle() const {
  auto text = core::read_file(path_ + "/handle.json");
  if (!text && text.error().code == Code::not_found) return RawJson{};
  if (!text) return std::move(text).error();
  if (!json::parse(*text)) return make_error(Code::data_loss, path_ + "/handle.json is damaged", "vm-folder-damaged");
  return RawJson{std::move(*text)};
}

Status VmFolder::write_handle(std::string_view handle) const {
  auto parsed = json::parse(handle);
  if (!parsed) return std::move(parsed).error().context("the plugin's handle");
  return core::write_file_durably(path_ + "/handle.json", handle);
}

Status VmFolder::remove_handle() const {
  if (::unlink((path_ + "/handle.json").c_str()) != 0 && errno != ENOENT)
    return core::errno_error("can't remove " + path_ + "/handle.json", errno);
  return Ok{};
}

Result<Journal> VmFolder::begin_journal_anew(std::int64_t revision) const {
  const std::string aside = path_ + "/journal.damaged-" + std::to_string(revision);
  if (::rename((path_ + "/journal").c_str(), aside.c_str()) != 0)
    return core::errno_error("can't set the damaged journal aside as " + aside, errno);
  return open_journal(After::agent);
}

void VmFolder::remove_old_runs(std::int64_t keep) const {
  std::error_code ignored;
  std::error_code error;
  for (std::filesystem::directory_iterator it(path_ + "/run", error), end; !error && it != end; it.increment(error))
    if (std::atoll(it->path().filename().c_str()) < keep) std::filesystem::remove_all(it->path(), ignored);
}

Status VmFolder::remove() const {
  const std::filesystem::path path(path_);
  const std::string aside = path.parent_path().string() + std::string("/") + kRemoved + path.filename().string();
  std::error_code error;
  std::filesystem::remove_all(aside, error);
  if (::rename(path_.c_str(), aside.c_str()) != 0 && errno != ENOENT)
    return core::errno_error("can't remove " + path_, errno);
  Status synced = core::sync_folder(path.parent_path().string());
  std::filesystem::remove_all(aside, error);
  return synced;
}

Result<Journal> VmFolder::make(const JournalRecord& first, const VmDocument& document) const {
  const std::filesystem::path path(path_);
  const std::string parent = path.parent_path().string();
  const std::string unfinished = parent + "/" + kUnfinished + path.filename().string();
  std::error_code error;
  std::filesystem::remove_all(unfinished, error);
  QARAX_CHECK(core::make_folder_unsynced(unfinished));
  {
    QARAX_TRY(Journal journal, Journal::open(unfinished + "/journal", After::agent));
    QARAX_CHECK(journal.append(first, Outlives::host));
  }
  QARAX_CHECK(VmFolder(unfinished).write_document(document));  // also syncs the folder, and with it both names
  if (::rename(unfinished.c_str(), path_.c_str()) != 0) return core::errno_error("can't make " + path_, errno);
  QARAX_CHECK(core::sync_folder(parent));
  return open_journal(After::agent);
}

bool VmFolder::exists() const { return ::access(path_.c_str(), F_OK) == 0; }
bool VmFolder::has_document() const { return ::access((path_ + "/vm.json").c_str(), F_OK) == 0; }
bool VmFolder::has_runs() const { return ::access((path_ + "/run").c_str(), F_OK) == 0; }
bool VmFolder::is_debris(std::string_view name) { return is_broken_off(name); }

}  // namespace qarax::agent
