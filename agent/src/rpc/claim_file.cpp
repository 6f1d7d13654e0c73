#include "claim_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "qarax/core/files.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax {

namespace agent {
namespace {
struct Record {
  AuthorityClaim claim{};
  // Fingerprint of the claim, because halves of two writes can form a valid document. Empty: an older agent wrote the
  // file.
  std::string check{};
};
constexpr std::size_t kRecordBytes = 512;  // one sector, which most disks write as a whole
}  // namespace
}  // namespace agent

template <>
struct Fields<agent::AuthorityClaim> {
  using T = agent::AuthorityClaim;
  static constexpr std::string_view kName = "Authority";
  static constexpr auto kTable =
      field_table(field<&T::cluster_id>("cluster_id").required(), field<&T::term>("term").required(),
                  field<&T::activation>("activation").required());
};
QARAX_FIELDS_COMPLETE(agent::AuthorityClaim);

template <>
struct Fields<agent::Record> {
  using T = agent::Record;
  static constexpr std::string_view kName = "cluster.json";
  static constexpr auto kTable = field_table(field<&T::claim>("claim").flat(), field<&T::check>("check"));
};
QARAX_FIELDS_COMPLETE(agent::Record);

namespace agent {

namespace {

std::string check_of(const AuthorityClaim& claim) { return core::fingerprint(encode(claim, Defaults::write)); }

std::optional<AuthorityClaim> claim_in(const std::string& text) {
  auto record = decode<Record>(std::string_view(text), Unknown::ignore);
  if (!record) return std::nullopt;
  // An older agent wrote a new file each time, so its file can't be torn.
  const bool is_older = record->check.empty() && text.size() != kRecordBytes;
  if (!is_older && record->check != check_of(record->claim)) return std::nullopt;
  return std::move(record->claim);
}

std::string copy_of(const std::string& path) { return std::filesystem::path(path).replace_extension(".copy").string(); }

Status put(const std::string& path, const std::string& record) {
  const core::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat info {};
  if (!file && errno != ENOENT) return core::errno_error("can't write " + path, errno);
  if (!file || ::fstat(file.get(), &info) != 0 || info.st_size != static_cast<off_t>(record.size()))
    return core::write_file_durably(path, record);
  if (::pwrite(file.get(), record.data(), record.size(), 0) != static_cast<ssize_t>(record.size()) ||
      ::fdatasync(file.get()) != 0)
    return core::errno_error("can't write " + path, errno);
  return Ok{};
}

}  // namespace

Result<AuthorityClaim> ClaimFile::read() const {
  const auto text = core::read_file(path_, 65536);
  if (!text && text.error().code == Code::not_found) return AuthorityClaim{};
  if (!text) return text.error();
  if (auto claim = claim_in(*text)) return std::move(*claim);
  // The write was torn, so the copy, which is written first, is whole.
  if (const auto copy = core::read_file(copy_of(path_), 65536))
    if (auto claim = claim_in(*copy)) return std::move(*claim);
  return make_error(Code::data_loss, path_ +
                                         " is damaged; without it the node can't tell which server it obeys. Restore "
                                         "it, or remove it to obey the next one");
}

Status ClaimFile::write(const AuthorityClaim& claim) const {
  std::string record = encode(Record{claim, check_of(claim)}, Defaults::write);
  if (record.size() >= kRecordBytes)
    return make_error(Code::invalid_argument, "cluster_id and activation don't fit into " +
                                                  std::to_string(kRecordBytes) + " bytes of " + path_);
  record.append(kRecordBytes - 1 - record.size(), ' ').push_back('\n');
  QARAX_CHECK(put(copy_of(path_), record));
  return put(path_, record);
}

}  // namespace agent
}  // namespace qarax
