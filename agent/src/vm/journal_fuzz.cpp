// Fuzzes Journal::open() with a journal file. First byte even: the input is the file. Odd: each line becomes a record
// with the right length and checksum, which random input would hardly ever have. A journal that opens can be appended
// to and is read back unchanged.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "journal.hpp"

namespace {

using namespace qarax::agent;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string framed(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    const std::uint32_t header[2] = {static_cast<std::uint32_t>(line.size()), crc32(line)};
    out.append(reinterpret_cast<const char*>(header), sizeof header).append(line);
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return out;
}

struct File {
  std::string path = "/dev/shm/qarax-journal-fuzz-" + std::to_string(::getpid());
  ~File() { ::unlink(path.c_str()); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const File file;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string content = data[0] % 2 == 0 ? std::string(rest) : framed(rest);
  for (const After after : {After::agent, After::host}) {
    ::unlink(file.path.c_str());
    require(qarax::core::write_file_durably(file.path, content).ok());
    auto journal = Journal::open(file.path, after);
    if (!journal) continue;
    JournalRecord record;
    record.kind = RecordKind::intent;
    record.action = "stop";
    record.revision = 7;
    require(journal->append(record, Outlives::agent).ok());
    const std::size_t count = journal->records().size();
    const auto again = Journal::open(file.path, After::agent);
    require(again.ok() && again->records().size() == count && again->records().back().revision == 7);
    require(journal->compact().ok());
    require(Journal::open(file.path, After::agent).ok());
  }
  return 0;
}
