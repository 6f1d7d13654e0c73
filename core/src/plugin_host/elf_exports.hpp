// What a shared library would export, read from its dynamic symbol table without loading it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/result.hpp"

namespace qarax::core {

struct ElfExport {
  std::string name;
  bool is_object = false;  // data, not code
  std::uint64_t size = 0;  // bytes, as the symbol says
};

// `file`: the whole content. Every defined symbol that another file could bind to. INVALID_ARGUMENT: not a shared
// library of this machine's kind, or cut off.
Result<std::vector<ElfExport>> elf_exports(std::string_view file);

}  // namespace qarax::core
