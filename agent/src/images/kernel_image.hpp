// Extracts the ELF kernel from an x86 bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset,
// payload_length). QEMU boots that ELF by PVH without running the decompressor in the guest, which under TCG saves a
// third of the boot.
#pragma once

#include <string>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::agent {

// Returns the decompressed ELF. FAILED_PRECONDITION if `image` is no bzImage, its compression isn't lz4 or zstd, or the
// ELF has no PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY, type 18, name "Xen").
Result<std::string> extract_pvh_kernel(std::string_view image);

}  // namespace qarax::agent
