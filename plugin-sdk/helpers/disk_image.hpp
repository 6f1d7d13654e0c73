// Checks a disk image before a VMM opens it: the header of a qcow2 image may name other files of the host, chosen by
// whoever made the image.
#pragma once

#include "qarax/plugin/hypervisor.hpp"

namespace qarax::plugin {

struct OpenedDisk {
  std::int64_t size = 0;  // bytes of the file or device; the guest may see another size of a qcow2 image
  bool is_block_device = false;
};

// Reads by path or by the call's descriptor, as `disk` says. NOT_FOUND, PERMISSION_DENIED: it can't be opened.
// FAILED_PRECONDITION: it is no file or block device, or a qcow2 image is none or names other files. Doesn't move the
// descriptor's offset.
Result<OpenedDisk> look_at_disk(const Call& call, const DiskSpec& disk);

}  // namespace qarax::plugin
