#include "elf_exports.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace qarax::core {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#else
#error "which ELF machine is this?"
#endif

Error broken(std::string why) { return make_error(Code::invalid_argument, std::move(why)); }

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<std::vector<ElfExport>> read() {
    QARAX_CHECK(read_header());
    QARAX_CHECK(read_dynamic());
    QARAX_TRY(const std::uint64_t count, symbol_count());
    return collect(count);
  }

 private:
  template <class T>
  std::optional<T> at(std::uint64_t offset) const {
    if (offset > file_.size() || file_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, file_.data() + offset, sizeof(T));
    return value;
  }

  Status read_header() {
    const auto header = at<Elf64_Ehdr>(0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return broken("it isn't an ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != kMachine)
      return broken("it is an ELF file for another machine");
    if (header->e_type != ET_DYN) return broken("it is an ELF file, but no shared library");
    for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
      const auto segment = at<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
      if (!segment) return broken("its program headers are cut off");
      segments_.push_back(*segment);
    }
    return Ok{};
  }

  // The file offset of a loaded address, from the program headers as the loader reads them: section headers may be
  // missing.
  std::optional<std::uint64_t> offset_of(std::uint64_t address) const {
    for (const auto& segment : segments_)
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
        return segment.p_offset + (address - segment.p_vaddr);
    return std::nullopt;
  }

  Status read_dynamic() {
    const auto dynamic = std::find_if(segments_.begin(), segments_.end(),
                                      [](const Elf64_Phdr& segment) { return segment.p_type == PT_DYNAMIC; });
    if (dynamic == segments_.end()) return broken("it has no dynamic section");
    for (std::uint64_t i = 0; i < dynamic->p_filesz / sizeof(Elf64_Dyn); ++i) {
      const auto entry = at<Elf64_Dyn>(dynamic->p_offset + i * sizeof(Elf64_Dyn));
      if (!entry) return broken("its dynamic section is cut off");
      switch (entry->d_tag) {
        case DT_NULL:
          i = dynamic->p_filesz;
          break;
        case DT_SYMTAB:
          symbols_ = offset_of(entry->d_un.d_ptr);
          break;
        case DT_STRTAB:
          strings_ = offset_of(entry->d_un.d_ptr);
          break;
        case DT_STRSZ:
          strings_size_ = entry->d_un.d_val;
          break;
        case DT_HASH:
          hash_ = offset_of(entry->d_un.d_ptr);
          break;
        case DT_GNU_HASH:
          gnu_hash_ = offset_of(entry->d_un.d_ptr);
          break;
        case DT_VERSYM:
          versions_ = offset_of(entry->d_un.d_ptr);
          break;
        default:
          break;
      }
    }
    if (!symbols_ || !strings_) return broken("it has no dynamic symbol table");
    return Ok{};
  }

  Result<std::uint64_t> symbol_count() const {
    if (hash_) {
      const auto count = at<std::uint32_t>(*hash_ + 4);
      if (count) return static_cast<std::uint64_t>(*count);
    }
    if (!gnu_hash_) return broken("it has no dynamic symbol table");
    // DT_GNU_HASH doesn't store the count: it is one more than the index of the last symbol in the last chain.
    struct Header {
      std::uint32_t buckets, first, bloom, shift;
    };
    const auto header = at<Header>(*gnu_hash_);
    if (!header) return broken("its symbol table is cut off");
    const std::uint64_t buckets = *gnu_hash_ + sizeof(Header) + std::uint64_t{header->bloom} * 8;
    const std::uint64_t chains = buckets + std::uint64_t{header->buckets} * 4;
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < header->buckets; ++i) {
      const auto bucket = at<std::uint32_t>(buckets + i * 4);
      if (!bucket) return broken("its symbol table is cut off");
      last = std::max<std::uint64_t>(last, *bucket);
    }
    if (last < header->first) return static_cast<std::uint64_t>(header->first);
    for (;; ++last) {
      const auto link = at<std::uint32_t>(chains + (last - header->first) * 4);
      if (!link) return broken("its symbol table is cut off");
      if ((*link & 1) != 0) return last + 1;
    }
  }

  Result<std::vector<ElfExport>> collect(std::uint64_t count) const {
    std::vector<ElfExport> exports;
    for (std::uint64_t i = 1; i < count; ++i) {
      const auto symbol = at<Elf64_Sym>(*symbols_ + i * sizeof(Elf64_Sym));
      if (!symbol) return broken("its symbol table is cut off");
      const auto binding = ELF64_ST_BIND(symbol->st_info);
      const auto visibility = ELF64_ST_VISIBILITY(symbol->st_other);
      if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
      if (visibility == STV_HIDDEN || visibility == STV_INTERNAL) continue;
      if (versions_) {
        const auto version = at<Elf64_Versym>(*versions_ + i * sizeof(Elf64_Versym));
        if (version && *version == VER_NDX_LOCAL) continue;
      }
      const std::uint64_t name = *strings_ + symbol->st_name;
      if (symbol->st_name >= strings_size_ || name >= file_.size()) return broken("its symbol names are cut off");
      const std::string_view rest = file_.substr(name, strings_size_ - symbol->st_name);
      exports.push_back({std::string(rest.substr(0, rest.find('\0'))), ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT,
                         symbol->st_size});
    }
    return exports;
  }

  std::string_view file_;
  std::vector<Elf64_Phdr> segments_;
  std::optional<std::uint64_t> symbols_, strings_, hash_, gnu_hash_, versions_;
  std::uint64_t strings_size_ = 0;
};

}  // namespace

Result<std::vector<ElfExport>> elf_exports(std::string_view file) { return Reader(file).read(); }

}  // namespace qarax::core
