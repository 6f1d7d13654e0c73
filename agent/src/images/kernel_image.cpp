#include "kernel_image.hpp"

#include <elf.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace qarax::agent {

namespace {

constexpr std::size_t kMaxKernel = 512u << 20;  // larger claims are refused
constexpr std::size_t kLz4Block = 8u << 20;     // fixed by the legacy frame format
constexpr std::uint32_t kXenPhys32Entry = 18;   // xen/include/public/elfnote.h

template <class T>
bool read_at(std::string_view data, std::size_t offset, T& out) {
  if (offset > data.size() || data.size() - offset < sizeof(T)) return false;
  std::memcpy(&out, data.data() + offset, sizeof(T));
  return true;
}

Error refuse(std::string why) { return make_error(Code::failed_precondition, std::move(why)); }

Result<std::string> unpack_lz4_legacy(std::string_view data, std::size_t size) {
  std::string out(size, '\0');
  std::size_t at = 4;
  std::size_t done = 0;
  std::uint32_t block = 0;
  while (done < size && read_at(data, at, block)) {
    at += 4;
    if (block == 0 || block > data.size() - at) return refuse("its lz4 stream is cut off");
    const int room = static_cast<int>(std::min(kLz4Block, size - done));
    const int n = LZ4_decompress_safe(data.data() + at, out.data() + done, static_cast<int>(block), room);
    if (n <= 0) return refuse("its lz4 stream is damaged");
    done += static_cast<std::size_t>(n);
    at += block;
  }
  if (done != size) return refuse("its lz4 stream is shorter than it says");
  return out;
}

Result<std::string> unpack_zstd(std::string_view data, std::size_t size) {
  std::string out(size, '\0');
  ZSTD_DStream* stream = ZSTD_createDStream();
  if (stream == nullptr) return make_error(Code::resource_exhausted, "out of memory", "host-memory");
  ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 31);  // kernels are packed with a window above the default limit
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  std::size_t left = 1;
  while (left != 0 && ZSTD_isError(left) == 0 && to.pos < to.size && in.pos < in.size)
    left = ZSTD_decompressStream(stream, &to, &in);
  ZSTD_freeDStream(stream);
  if (ZSTD_isError(left) != 0 || to.pos != size) return refuse("its zstd stream is damaged");
  return out;
}

bool has_pvh_note(std::string_view elf) {
  Elf64_Ehdr header{};
  if (!read_at(elf, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr program{};
    if (!read_at(elf, header.e_phoff + std::size_t{i} * header.e_phentsize, program)) return false;
    if (program.p_type != PT_NOTE || program.p_offset > elf.size() || program.p_filesz > elf.size() - program.p_offset)
      continue;
    const std::string_view notes = elf.substr(program.p_offset, program.p_filesz);
    std::size_t at = 0;
    Elf64_Nhdr note{};
    while (read_at(notes, at, note)) {
      const std::size_t name = at + sizeof note;
      if (note.n_type == kXenPhys32Entry &&
          notes.substr(std::min(name, notes.size()), 4) == std::string_view("Xen\0", 4))
        return true;
      at = name + ((std::size_t{note.n_namesz} + 3) & ~std::size_t{3}) +
           ((std::size_t{note.n_descsz} + 3) & ~std::size_t{3});
    }
  }
  return false;
}

}  // namespace

Result<std::string> extract_pvh_kernel(std::string_view image) {
  std::uint32_t magic = 0;
  std::uint16_t version = 0;
  std::uint8_t setup_sectors = 0;
  std::uint32_t payload_offset = 0;
  std::uint32_t payload_length = 0;
  if (!read_at(image, 0x202, magic) || magic != 0x53726448 /* HdrS */) return refuse("it isn't a bzImage");
  if (!read_at(image, 0x206, version) || version < 0x0208)
    return refuse("its boot protocol is older than 2.08 and names no payload");
  read_at(image, 0x1f1, setup_sectors);
  read_at(image, 0x248, payload_offset);
  read_at(image, 0x24c, payload_length);
  const std::size_t start = (std::size_t{setup_sectors == 0 ? 4u : setup_sectors} + 1) * 512 + payload_offset;
  if (payload_length < 8 || start > image.size() || payload_length > image.size() - start)
    return refuse("its payload lies outside the file");
  const std::string_view payload = image.substr(start, payload_length);
  // The build appends the unpacked size to the compressed stream.
  std::uint32_t size = 0;
  read_at(payload, payload.size() - 4, size);
  if (size == 0 || size > kMaxKernel) return refuse("it claims an unpacked size of " + std::to_string(size) + " bytes");

  const std::string_view packed = payload.substr(0, payload.size() - 4);
  Result<std::string> elf = refuse("its compression is neither lz4 nor zstd");
  if (packed.starts_with(std::string_view("\x02\x21\x4c\x18", 4)))
    elf = unpack_lz4_legacy(packed, size);
  else if (packed.starts_with(std::string_view("\x28\xb5\x2f\xfd", 4)))
    elf = unpack_zstd(packed, size);
  if (!elf) return std::move(elf).error();
  if (!has_pvh_note(*elf)) return refuse("its ELF has no PVH entry note");
  return elf;
}

}  // namespace qarax::agent
