// What a disk image says of itself, looked at before a VMM opens it: a qcow2 image may name other files of the host in
// its header, and whoever made the image chose them.
#pragma once

#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

struct OpenedDisk {
  std::int64_t size = 0;  // bytes of the file or device, not what the guest sees of a qcow2
  bool is_block_device = false;
};

// By path or by the call's descriptor, as the disk says. NOT_FOUND, PERMISSION_DENIED: it can't be opened.
// FAILED_PRECONDITION: it isn't of that format, or names other files. The descriptor's offset isn't moved.
Result<OpenedDisk> look_at_disk(const Call& call, const DiskSpec& disk);

}  // namespace qarax::plugin
