#include "trial_files.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string_view>

#include "text.hpp"

namespace qarax::plugin {

namespace {

// Documentation/arch/x86/boot.rst of Linux: offsets in a bzImage.
constexpr std::size_t kSetupSectors = 0x1f1;
constexpr std::size_t kSize = 0x1f4;  // of what follows the setup, in pieces of 16 bytes
constexpr std::size_t kMagic = 0x202;
constexpr std::size_t kProtocol = 0x206;
constexpr std::size_t kHeadEnd = 0x208;
constexpr std::uint64_t kProtocolWithSize = 0x204;  // older ones have 16 bits for the size

// What is wrong with a kernel's file; empty: nothing that can be seen in its header, or the file can't be read, which
// the VMM says.
std::string kernel_problem(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto end = static_cast<std::int64_t>(file.tellg());
  if (!file || end < 0) return {};
  const auto size = static_cast<std::uint64_t>(end);
  std::array<char, kHeadEnd> head{};
  file.seekg(0);
  file.read(head.data(), head.size());
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t out = 0;
    for (std::size_t i = bytes; i-- > 0;) out = out << 8 | static_cast<unsigned char>(head.at(at + i));
    return out;
  };
  const std::string_view text(head.data(), head.size());
  if (text.starts_with("\177ELF")) return {};
  if (text.substr(kMagic, 4) != "HdrS") return "is no Linux kernel: it is neither a bzImage nor an ELF file";
  if (number(kProtocol, 2) < kProtocolWithSize) return {};
  const std::uint64_t setup = number(kSetupSectors, 1);
  const std::uint64_t whole = ((setup == 0 ? 4 : setup) + 1) * 512 + number(kSize, 4) * 16;
  if (size >= whole) return {};
  return "is cut short: it has " + std::to_string(size) + " bytes, and " + std::to_string(whole) + " by its header";
}

}  // namespace

std::string why_unbootable(const std::vector<TrialFile>& files, const std::string& printed,
                           const std::string& last_words) {
  for (const TrialFile& file : files) {
    std::string problem = file.what == "kernel" ? kernel_problem(file.path) : "";
    if (problem.empty() && std::any_of(file.refusals.begin(), file.refusals.end(), [&](const std::string& words) {
          return printed.find(words) != std::string::npos;
        }))
      problem = "can't be loaded";
    if (problem.empty()) continue;
    return "the trial's " + file.what + " " + file.path + " " + problem +
           (last_words.empty() ? "" : " (last: " + last_words + ")") + "; correct boot." + file.what +
           " in the node's config, or probe_" + file.what + " in the plugin's";
  }
  return {};
}

std::string fingerprints(const std::vector<TrialFile>& files) {
  std::string out;
  for (const TrialFile& file : files) out += " " + fingerprint(file.path);
  return out;
}

}  // namespace qarax::plugin
