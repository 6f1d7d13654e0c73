// A kernel of headers alone, for tests: a VMM loads it, and no guest runs on it.
#pragma once

#include <cstddef>
#include <string>

namespace qarax {

// A bzImage (Documentation/arch/x86/boot.rst of Linux) of 2048 bytes, half of them its setup.
inline std::string empty_bzimage() {
  constexpr std::size_t kSetup = 1024;
  constexpr std::size_t kAll = 2048;
  std::string out(kAll, '\0');
  out[0x1f1] = kSetup / 512 - 1;
  out[0x1f4] = (kAll - kSetup) / 16;
  out.replace(0x202, 4, "HdrS");
  out[0x206] = 0x0f;  // the boot protocol's version, 2.15
  out[0x207] = 0x02;
  out[0x211] = 1;     // is loaded high
  out[0x216] = 0x10;  // at 1 MiB
  return out;
}

// A whole ELF file without a program header, so without the note by which a VMM boots a kernel.
inline std::string elf_without_pvh() {
  std::string out(64, '\0');
  out.replace(0, 7, "\177ELF\002\001\001");  // 64 bits, little endian
  out[0x12] = 0x3e;                          // x86-64
  out[0x1a] = 0x10;                          // entry at 1 MiB
  out[0x20] = 64;                            // its program headers follow
  out[0x36] = 56;                            // size of one
  return out;
}

}  // namespace qarax
