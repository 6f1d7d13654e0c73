#include "text.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "qarax/plugin/process_stat.hpp"

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
  const std::size_t begin = text.find_first_not_of(" \r\t", before == std::string::npos ? 0 : before + 1);
  std::string line = text.substr(begin, std::min<std::size_t>(end - begin + 1, 200));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return line;
}

Result<Counters> process_counters(const std::string& stat, const std::string& vm) {
  const auto user = process_stat_number(stat, 14);
  const auto system = process_stat_number(stat, 15);
  const auto resident_pages = process_stat_number(stat, 24);
  if (!user || !system || !resident_pages) return make_error(Code::unavailable, "VM " + vm + " has just ended");
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  Counters out;
  out.counters.push_back({"cpu.time", (*user + *system) * tick_ns, "ns"});
  out.counters.push_back({"memory.resident", *resident_pages * ::sysconf(_SC_PAGESIZE), "bytes"});
  return out;
}

Result<Counters> counters_of(std::int32_t pid, const std::string& vm) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  return process_counters(text, vm);
}

}  // namespace qarax::plugin
