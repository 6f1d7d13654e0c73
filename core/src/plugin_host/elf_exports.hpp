// Reads what a shared library would export from its dynamic symbol table, without loading it.
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

// `file`: the file's whole content. Returns every defined symbol that another file could bind to. INVALID_ARGUMENT: it
// isn't a shared library for this machine, or it is truncated.
Result<std::vector<ElfExport>> elf_exports(std::string_view file);

}  // namespace qarax::core
