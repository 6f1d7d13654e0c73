#include "journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

namespace qarax::agent {

namespace {

constexpr std::int64_t kReserve = std::int64_t{16} * 1024;  // room for a stop and a delete, several times over
constexpr std::uint32_t kMaxRecord = 4u << 20;
constexpr std::size_t kMaxFile = 64u << 20;
constexpr std::size_t kHeader = 8;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

// Records that may use the reserved room. If all could, a handful of pauses on a full disk would use it up.
bool ends_the_vm(const JournalRecord& record) {
  const auto action = core::action_named(record.action);
  return record.kind == RecordKind::exit || action == core::Action::stop || action == core::Action::force_stop ||
         action == core::Action::remove;
}

struct Framed {
  std::size_t end;
  std::string_view body;
};

// The record whose header is at `at`; nullopt if there is no complete record with the right checksum.
std::optional<Framed> framed_at(std::string_view content, std::size_t at) {
  if (content.size() - at < kHeader) return std::nullopt;
  std::uint32_t header[2];
  std::memcpy(header, content.data() + at, kHeader);
  if (header[0] == 0 || header[0] > kMaxRecord || header[0] > content.size() - at - kHeader) return std::nullopt;
  const std::string_view body = content.substr(at + kHeader, header[0]);
  if (crc32(body) != header[1]) return std::nullopt;
  return Framed{at + kHeader + header[0], body};
}

// A complete record can't lie inside a torn one: its length has a zero byte (see kMaxRecord), and JSON has none.
std::optional<std::size_t> next_record(std::string_view content, std::size_t from) {
  // A record is a JSON object. The check for its brace comes first because random bytes that look like a length would
  // cost a checksum over megabytes.
  for (std::size_t at = from; at + kHeader < content.size(); ++at)
    if (content[at + kHeader] == '{' && framed_at(content, at)) return at;
  return std::nullopt;
}

// To be called if there is no complete record at `at`. Only the last record can be torn. True: bytes follow after the
// record's stated length, or a complete record comes later, so this one is damaged, not torn.
bool has_more_behind(std::string_view content, std::size_t at) {
  std::uint32_t length = 0;
  std::memcpy(&length, content.data() + at, sizeof length);
  const std::size_t end = at + kHeader + length;
  if (length != 0 && length <= kMaxRecord && end < content.size() &&
      content.find_first_not_of('\0', end) != std::string_view::npos)
    return true;
  return next_record(content, at + 1).has_value();
}

std::string frame(const JournalRecord& record) {
  const std::string body = encode(record);
  const std::uint32_t header[2] = {static_cast<std::uint32_t>(body.size()), crc32(body)};
  std::string out(kHeader, '\0');
  std::memcpy(out.data(), header, kHeader);
  return out + body;
}

}  // namespace

std::uint32_t crc32(std::string_view data) {
  std::uint32_t c = 0xFFFFFFFFu;
  for (const char byte : data) c = kCrcTable[(c ^ static_cast<std::uint8_t>(byte)) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFu;
}

Result<Journal> Journal::open(const std::string& path, After after) {
  Journal journal;
  journal.path_ = path;
  journal.fd_ = core::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!journal.fd_) return core::errno_error("can't open the journal " + path, errno);
  auto read = core::read_file(path, kMaxFile);
  if (!read && read.error().code == Code::out_of_range) read.error().code = Code::data_loss;  // no agent writes so much
  QARAX_TRY(const std::string content, std::move(read));
  std::size_t at = 0;
  while (content.size() - at >= kHeader) {
    const auto framed = framed_at(content, at);
    if (!framed) {
      // What lies behind a damaged record would be silently forgotten: refuse instead.
      if (after == After::agent && has_more_behind(content, at))
        return make_error(
            Code::data_loss,
            "the journal " + path + " is damaged at byte " + std::to_string(at) + "; later records would be lost",
            "vm-folder-damaged");
      break;
    }
    auto record = decode<JournalRecord>(framed->body, Unknown::ignore);
    // The checksum is right, so the record was written like this, by whatever program. It is refused like other damage.
    if (!record)
      return make_error(
          Code::data_loss,
          "the journal " + path + " is damaged at byte " + std::to_string(at) + ": " + record.error().message,
          "vm-folder-damaged");
    journal.records_.push_back(std::move(*record));
    at = framed->end;
  }
  journal.size_ = static_cast<std::int64_t>(at);
  if (content.size() != at && ::ftruncate(journal.fd_.get(), static_cast<off_t>(at)) != 0)
    return core::errno_error("can't mend the journal " + path, errno);
  static_cast<void>(journal.reserve());  // on a full disk the existing records must stay readable
  return journal;
}

std::int64_t highest_revision_in(const std::string& path) {
  const auto content = core::read_file(path, kMaxFile);
  if (!content) return 0;
  std::int64_t highest = 0;
  for (auto at = next_record(*content, 0); at;) {
    const auto framed = framed_at(*content, *at);
    if (const auto record = decode<JournalRecord>(framed->body, Unknown::ignore))
      highest = std::max(highest, record->revision);
    at = next_record(*content, framed->end);
  }
  return highest;
}

Status Journal::reserve(std::int64_t more) {
  if (reserved_ - size_ - more >= kReserve / 2) return Ok{};
  if (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, size_, more + kReserve) == 0)
    reserved_ = size_ + more + kReserve;
  else if (errno == ENOSPC || errno == EDQUOT)
    return core::errno_error("can't extend the journal " + path_, errno);
  // Not every file system supports fallocate. There, a full disk shows at the append instead.
  return Ok{};
}

Status Journal::append(const JournalRecord& record, Outlives outlives) {
  const std::string bytes = frame(record);
  // open() would take a record of this size for a torn one and drop it silently.
  if (bytes.size() - kHeader > kMaxRecord)
    return make_error(Code::resource_exhausted, "a record of " + std::to_string(bytes.size() - kHeader) +
                                                    " bytes doesn't go into the journal " + path_ + "; at most " +
                                                    std::to_string(kMaxRecord) + " do");
  // The result of an admitted command may use the reserved room, too: there is only one for each intent.
  const bool concludes = record.kind == RecordKind::result && !records_.empty() &&
                         records_.back().kind == RecordKind::intent && records_.back().revision == record.revision &&
                         records_.back().step == record.step;
  if (!concludes && !ends_the_vm(record)) QARAX_CHECK(reserve(static_cast<std::int64_t>(bytes.size())));
  std::size_t done = 0;
  // A restart must not find the record that failed. Zeros end a journal like the end of its file, and unlike
  // ftruncate() they keep the reserved room.
  const auto fail = [&] {
    Error error = core::errno_error("can't write the journal " + path_, errno);
    static_cast<void>(::pwrite(fd_.get(), std::string(done, '\0').data(), done, static_cast<off_t>(size_)));
    return error;
  };
  while (done < bytes.size()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                               static_cast<off_t>(size_) + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail();
    done += static_cast<std::size_t>(n);
  }
  if (outlives == Outlives::host && ::fdatasync(fd_.get()) != 0) return fail();
  size_ += static_cast<std::int64_t>(bytes.size());
  records_.push_back(record);
  static_cast<void>(reserve());
  return Ok{};
}

Status Journal::compact() {
  std::optional<JournalRecord> latest[3];
  std::int64_t order[3] = {-1, -1, -1};
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (records_[i].kind == RecordKind::unknown) continue;
    const auto slot = static_cast<std::size_t>(records_[i].kind) - 1;
    latest[slot] = records_[i];
    order[slot] = static_cast<std::int64_t>(i);
  }
  std::vector<JournalRecord> kept;
  for (std::size_t i = 0; i < records_.size(); ++i)
    for (std::size_t slot = 0; slot < 3; ++slot)
      if (order[slot] == static_cast<std::int64_t>(i)) kept.push_back(*latest[slot]);
  std::string bytes;
  for (const auto& record : kept) bytes += frame(record);
  core::Fd written;
  Status done = core::write_file_durably(path_, bytes, 0600, &written);
  if (!written) return done;  // the old file is still in place, and open
  fd_ = std::move(written);
  size_ = static_cast<std::int64_t>(bytes.size());
  reserved_ = 0;
  records_ = std::move(kept);
  static_cast<void>(reserve());
  return done;
}

}  // namespace qarax::agent
