// What fake_vmm makes of a kernel's file: it loads it as the real one does, as an ELF file with a PVH note first, then
// as a bzImage.
#pragma once

#include <elf.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace fake {

constexpr const char* kNoKernel = "Cannot open kernel file";
constexpr const char* kNotLoaded = "Cannot load the kernel into memory";
constexpr const char* kNoPvh = "Kernel lacks PVH header";

// What of the VM was made until then is kept where it is the kernel, and that alone.
inline bool is_of_kernel(const std::string& cause) {
  return cause == kNoKernel || cause == kNotLoaded || cause == kNoPvh;
}

struct Refusal {
  std::vector<std::string> causes;  // outermost first, as v53.0 words them; empty: it is loaded
  std::string debug;                // the same as v44.0 prints it at the end of a VM of its command line
};

class KernelFile {
 public:
  explicit KernelFile(const std::string& path) : file_(path, std::ios::binary), error_(errno) {
    std::error_code ignored;
    size_ = std::filesystem::file_size(path, ignored);
  }

  Refusal refusal() {
    if (!file_.is_open()) {
      const std::string code = std::to_string(error_);
      return {{kNoKernel, std::string(std::strerror(error_)) + " (os error " + code + ")"},
              "KernelFile(Os { code: " + code + " })"};
    }
    bool has_note = false;
    if (is_elf(has_note)) {
      if (has_note) return {};
      return {{kNoPvh}, "KernelMissingPvhHeader"};
    }
    const auto [name, words] = bzimage_problem();
    if (words.empty()) return {};
    const std::string loader = "Kernel Loader: ";
    return {{kNotLoaded, loader + "failed to load bzImage kernel image: " + loader + words, loader + words},
            "KernelLoad(Bzimage(" + name + "))"};
  }

 private:
  template <class T>
  bool read(std::uint64_t at, T& out) {
    if (at > size_ || size_ - at < sizeof(T)) return false;
    file_.seekg(static_cast<std::streamoff>(at));
    return static_cast<bool>(file_.read(reinterpret_cast<char*>(&out), sizeof out));
  }

  static constexpr std::uint64_t kHighMemory = 1 << 20;

  // Whether all of it can be loaded.
  bool is_elf(bool& has_note) {
    Elf64_Ehdr head{};
    if (!read(0, head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phoff < sizeof head || head.e_entry < kHighMemory)
      return false;
    for (std::uint64_t i = 0; i < head.e_phnum; ++i) {
      Elf64_Phdr part{};
      if (!read(head.e_phoff + i * sizeof part, part)) return false;
      if (part.p_type != PT_LOAD && part.p_type != PT_NOTE) continue;
      if (part.p_offset > size_ || size_ - part.p_offset < part.p_filesz) return false;
      if (part.p_type == PT_NOTE) has_note = has_pvh_note(part);
    }
    return true;
  }
  bool has_pvh_note(const Elf64_Phdr& part) {
    constexpr std::uint32_t kPhys32Entry = 18;  // xen/include/public/elfnote.h
    const auto aligned = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
    Elf64_Nhdr note{};
    for (std::uint64_t at = 0; at < part.p_filesz;) {
      char name[4] = {};
      if (!read(part.p_offset + at, note)) return false;
      at += sizeof note;
      if (note.n_type == kPhys32Entry && note.n_namesz == sizeof name && read(part.p_offset + at, name) &&
          std::memcmp(name, "Xen", sizeof name) == 0)
        return true;
      at += aligned(note.n_namesz) + aligned(note.n_descsz);
    }
    return false;
  }

  // The loader's name for it, and its words; no words: none. What the file is too short for is 0.
  std::pair<std::string, std::string> bzimage_problem() {
    const auto number = [this]<class T>(std::uint64_t at, T out) { return read(at, out) ? out : T{0}; };
    constexpr std::uint32_t kHdrS = 0x53726448;
    if (number(0x202, std::uint32_t{}) != kHdrS || number(0x206, std::uint16_t{}) < 0x200 ||
        (number(0x211, std::uint8_t{}) & 1) == 0)
      return {"InvalidBzImage", "Invalid bzImage"};
    const std::uint64_t setup = number(0x1f1, std::uint8_t{});
    if (((setup == 0 ? 4 : setup) + 1) * 512 > size_)
      return {"Underflow", "Underflow occurred during an arithmetic operation"};
    return {};
  }

  std::ifstream file_;
  const int error_;  // where it isn't open
  std::uint64_t size_ = 0;
};

}  // namespace fake
