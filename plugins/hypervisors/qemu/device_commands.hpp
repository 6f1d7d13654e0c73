// Disks and NICs as QMP commands, in the order in which they are made and the reverse in which they go. Removing what
// isn't there is success.
#pragma once

#include "disk_image.hpp"
#include "qmp_client.hpp"
#include "status.hpp"

namespace qarax::qemu {

std::string device_id(const DiskSpec& disk);  // of the guest's device
std::string device_id(const NicSpec& nic);

// Pure: what blockdev-add, object-add and device_add are given. `file`: a path, or a set of descriptors'
// (/dev/fdset/N).
json::Object disk_backend(const DiskSpec& disk, const plugin::OpenedDisk& opened, const std::string& file);
json::Object disk_limits(const DiskSpec& disk);  // empty: none
json::Object disk_device(const DiskSpec& disk, const std::string& bus);
json::Object nic_backend(const NicSpec& nic);
json::Object nic_device(const NicSpec& nic, const std::string& bus);

// What fails in the middle leaves a half, which its caller takes away: this monitor may owe an answer by then.
Status plug(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, const plugin::OpenedDisk& opened,
            const std::string& bus);
Status plug(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic, const std::string& bus);
// After the guest's device is out.
Status remove_backend(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk);
Status remove_backend(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic);
// Bytes that the guest sees; NOT_FOUND.
Result<std::int64_t> disk_size(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk);
Status resize_disk(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, std::int64_t size);

}  // namespace qarax::qemu
