#include <elf.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "image_store.hpp"
#include "kernel_image.hpp"
#include "qarax/core/files.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

template <class T>
void put(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

// An ELF with nothing but a header and one note.
std::string small_elf(std::uint32_t note_type) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr program{};
  program.p_type = PT_NOTE;
  program.p_offset = sizeof header + sizeof program;
  program.p_filesz = sizeof(Elf64_Nhdr) + 8;
  Elf64_Nhdr note{4, 4, note_type};
  std::string out(sizeof header + sizeof program + sizeof note + 8 + 4096, 'k');
  put(out, 0, header);
  put(out, sizeof header, program);
  put(out, program.p_offset, note);
  std::memcpy(out.data() + program.p_offset + sizeof note, "Xen\0\1\0\0\0", 8);
  return out;
}

std::string bzimage(const std::string& elf) {
  std::string packed(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(elf.size()))), '\0');
  packed.resize(static_cast<std::size_t>(
      LZ4_compress_default(elf.data(), packed.data(), static_cast<int>(elf.size()), static_cast<int>(packed.size()))));
  const std::uint32_t block = static_cast<std::uint32_t>(packed.size());
  const std::uint32_t payload = 4 + 4 + block + 4;
  std::string out(1024 + 16 + payload, '\0');
  put<std::uint8_t>(out, 0x1f1, 1);
  put<std::uint32_t>(out, 0x202, 0x53726448);
  put<std::uint16_t>(out, 0x206, 0x020f);
  put<std::uint32_t>(out, 0x248, 16);
  put<std::uint32_t>(out, 0x24c, payload);
  put<std::uint32_t>(out, 1040, 0x184c2102);
  put<std::uint32_t>(out, 1044, block);
  std::memcpy(out.data() + 1048, packed.data(), packed.size());
  put<std::uint32_t>(out, 1048 + packed.size(), static_cast<std::uint32_t>(elf.size()));
  return out;
}

TEST(KernelImage, TakesTheElfOutOfAnLz4BzImage) {
  const std::string elf = small_elf(18);
  const auto got = extract_pvh_kernel(bzimage(elf));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got, elf);
}

TEST(KernelImage, RefusesWithTheReason) {
  EXPECT_EQ(extract_pvh_kernel("short").error().message, "it isn't a bzImage");
  EXPECT_EQ(extract_pvh_kernel(bzimage(small_elf(17))).error().message, "its ELF has no PVH entry note");
  std::string damaged = bzimage(small_elf(18));
  put<std::uint32_t>(damaged, 1040, 0x12345678);
  EXPECT_EQ(extract_pvh_kernel(damaged).error().message, "its compression is neither lz4 nor zstd");
}

TEST(KernelImage, ACutImageIsRefusedAtEveryLength) {
  const std::string image = bzimage(small_elf(18));
  for (std::size_t length = 0; length < image.size(); ++length)
    EXPECT_FALSE(extract_pvh_kernel(std::string_view(image).substr(0, length))) << length;
}

class Images : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(core::write_file_durably(kernel_, bzimage(small_elf(18)))); }
  TempFolder folder_;
  const std::string dir_ = folder_.path();
  const std::string kernel_ = dir_ + "/vmlinuz";
};

TEST_F(Images, WhatAVmStartedWithStaysWhenTheFileIsReplaced) {
  ImageStore store(dir_ + "/images");
  const auto before = store.prepare({kernel_, "", "console=ttyS0"});
  ASSERT_TRUE(before) << before.error().message;
  EXPECT_EQ(*core::read_file(before->kernel_pvh), small_elf(18));
  const std::string content = *core::read_file(before->kernel);
  ASSERT_TRUE(core::write_file_durably(kernel_, "another kernel"));
  const auto after = store.prepare({kernel_, "", "console=ttyS0"});
  ASSERT_TRUE(after);
  EXPECT_NE(after->kernel, before->kernel);
  EXPECT_EQ(after->kernel_pvh, "");
  EXPECT_EQ(*core::read_file(before->kernel), content);
  struct stat info {};
  ASSERT_EQ(stat(before->kernel.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0222, 0u);
}

TEST_F(Images, WhatNobodyUsesIsRemoved) {
  const std::string folder = dir_ + "/images";
  BootFiles first;
  BootFiles second;
  {
    ImageStore store(folder);
    first = *store.prepare({kernel_, "", ""});
    ASSERT_TRUE(core::write_file_durably(kernel_, "another kernel"));
    second = *store.prepare({kernel_, "", ""});
    EXPECT_FALSE(store.has_others());
  }
  ASSERT_TRUE(core::write_file_durably(kernel_, "a third kernel"));
  ASSERT_TRUE(core::write_file_durably(folder + "/README", "somebody's own"));
  ImageStore store(folder);
  const BootFiles third = *store.prepare({kernel_, "", ""});
  EXPECT_TRUE(store.has_others());
  const auto name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  EXPECT_EQ(store.remove_unused({name(first.kernel)}), 1U);
  for (const std::string& kept : {first.kernel, first.kernel_pvh, third.kernel, folder + "/README"})
    EXPECT_TRUE(core::read_file(kept)) << kept;
  EXPECT_FALSE(core::read_file(second.kernel));
  EXPECT_EQ(store.remove_unused({name(first.kernel_pvh)}), 0U) << "what was unpacked stands for its image";
  // A removed image can be imported again.
  ASSERT_TRUE(core::write_file_durably(kernel_, "another kernel"));
  EXPECT_EQ(store.prepare({kernel_, "", ""})->kernel, second.kernel);
}

TEST_F(Images, MissingFilesAreNamed) {
  ImageStore store(dir_ + "/images");
  const auto none = store.prepare({"", "", ""});
  EXPECT_EQ(none.error().reason, "no-boot-source");
  const auto missing = store.prepare({dir_ + "/nope", "", ""});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::failed_precondition);
  EXPECT_NE(missing.error().message.find(dir_ + "/nope"), std::string::npos);
  EXPECT_FALSE(store.prepare({dir_, "", ""}));
}

TEST_F(Images, ACheckFindsWhatPrepareWouldMissAndMakesNothing) {
  ImageStore store(dir_ + "/images");
  EXPECT_TRUE(ImageStore::check({kernel_, kernel_, ""}));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/images"));
  for (const BootSource& wrong : {BootSource{"", "", ""}, {dir_ + "/nope", "", ""}, {kernel_, dir_ + "/nope", ""}}) {
    const Status checked = ImageStore::check(wrong);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message, store.prepare(wrong).error().message);
  }
}

}  // namespace
}  // namespace qarax::agent
