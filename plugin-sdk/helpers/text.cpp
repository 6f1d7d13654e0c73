#include "text.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

namespace qarax::plugin {

std::string fingerprint(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return path + ":none";
  return path + ":" + std::to_string(info.st_size) + ":" + std::to_string(info.st_mtim.tv_sec) + "." +
         std::to_string(info.st_mtim.tv_nsec);
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \r\n\t");
  if (end == std::string::npos) return {};
  const std::size_t before = text.rfind('\n', end);
  const std::size_t begin = before == std::string::npos ? 0 : before + 1;
  std::string line = text.substr(begin, std::min<std::size_t>(end - begin + 1, 200));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return line;
}

Result<Counters> process_counters(const std::string& stat, const std::string& vm) {
  // The process's name may contain anything, even ')'. Behind the last ')' come the state (field 3) and numbers.
  const std::size_t name_end = stat.rfind(')');
  std::vector<std::int64_t> fields;  // from field 4 on
  if (name_end != std::string::npos && name_end + 3 < stat.size()) {
    const char* cursor = stat.c_str() + name_end + 3;
    char* end = nullptr;
    for (std::int64_t value = std::strtoll(cursor, &end, 10); end != cursor; value = std::strtoll(cursor, &end, 10)) {
      fields.push_back(value);
      cursor = end;
    }
  }
  constexpr std::size_t kFirst = 4;
  if (fields.size() <= 24 - kFirst) return make_error(Code::unavailable, "VM " + vm + " has just ended");
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  Counters out;
  out.counters.push_back({"cpu.time", (fields[14 - kFirst] + fields[15 - kFirst]) * tick_ns, "ns"});
  out.counters.push_back({"memory.resident", fields[24 - kFirst] * ::sysconf(_SC_PAGESIZE), "bytes"});
  return out;
}

Result<Counters> counters_of(std::int32_t pid, const std::string& vm) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  return process_counters(text, vm);
}

}  // namespace qarax::plugin
