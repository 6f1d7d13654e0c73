#include "elf_exports.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

#include "qarax/core/files.hpp"

namespace qarax::core {
namespace {

std::string c_plugin() { return *read_file(std::string(QARAX_FIXTURES) + "/c_plugin.so", 64u << 20); }

TEST(ElfExports, TheOneSymbol) {
  const auto exports = elf_exports(c_plugin());
  ASSERT_TRUE(exports) << exports.error().message;
  ASSERT_EQ(exports->size(), 1u);
  EXPECT_EQ(exports->front().name, "qarax_plugin");
  EXPECT_TRUE(exports->front().is_object);
  EXPECT_EQ(exports->front().size, 128u);
}

TEST(ElfExports, WithoutSectionHeaders) {
  std::string file = c_plugin();
  Elf64_Ehdr header{};
  std::memcpy(&header, file.data(), sizeof header);
  header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
  std::memcpy(file.data(), &header, sizeof header);
  const auto exports = elf_exports(file);
  ASSERT_TRUE(exports) << exports.error().message;
  EXPECT_EQ(exports->size(), 1u);
}

TEST(ElfExports, OtherKinds) {
  EXPECT_EQ(elf_exports("").error().message, "it isn't an ELF file");
  EXPECT_EQ(elf_exports("#!/bin/sh").error().message, "it isn't an ELF file");
  std::string file = c_plugin();
  file[EI_CLASS] = ELFCLASS32;
  EXPECT_EQ(elf_exports(file).error().message, "it is an ELF file for another machine");
  file = c_plugin();
  Elf64_Half type = ET_REL;
  std::memcpy(file.data() + offsetof(Elf64_Ehdr, e_type), &type, sizeof type);
  EXPECT_EQ(elf_exports(file).error().message, "it is an ELF file, but no shared library");
}

// A file that is truncated or corrupted anywhere gives an error or an answer, never a read beyond its end (which the
// sanitizer build would find).
TEST(ElfExports, EveryCutAndEverySpoiltByteOfTheTables) {
  const std::string file = c_plugin();
  const auto look = [](std::string_view damaged, std::size_t at) {
    const auto exports = elf_exports(damaged);
    if (!exports) {
      EXPECT_EQ(exports.error().code, Code::invalid_argument) << at;
      EXPECT_FALSE(exports.error().message.empty()) << at;
      return;
    }
    EXPECT_LE(exports->size(), damaged.size() / sizeof(Elf64_Sym)) << at;
    for (const ElfExport& one : *exports) EXPECT_LT(one.name.size(), damaged.size()) << at;
  };
  for (std::size_t size = 0; size < file.size(); size += size < 4096 ? 1 : 97)
    look(std::string_view(file).substr(0, size), size);
  for (std::size_t i = 0; i < std::min<std::size_t>(file.size(), 8192); ++i) {
    std::string spoilt = file;
    spoilt[i] = static_cast<char>(~spoilt[i]);
    look(spoilt, i);
  }
}

}  // namespace
}  // namespace qarax::core
