// QMP commands that add disks and NICs in the order in which their parts depend on each other, and remove them in
// reverse. Removing something that doesn't exist succeeds.
#pragma once

#include "disk_image.hpp"
#include "qmp_client.hpp"
#include "status.hpp"

namespace qarax::qemu {

std::string device_id(const DiskSpec& disk);  // id of the guest's device
std::string device_id(const NicSpec& nic);

// Pure functions: the arguments of blockdev-add, object-add, netdev_add and device_add. `file` is a path, or that of a
// set of descriptors (/dev/fdset/N).
json::Object disk_backend(const DiskSpec& disk, const plugin::OpenedDisk& opened, const std::string& file);
json::Object disk_limits(const DiskSpec& disk);  // empty: no limits
json::Object disk_device(const DiskSpec& disk, const std::string& bus);
json::Object nic_backend(const NicSpec& nic);
json::Object nic_device(const NicSpec& nic, const std::string& bus);

// A failure in the middle leaves parts behind, which the caller removes: this monitor may still owe an answer then, so
// it can't be used for that.
Status plug(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, const plugin::OpenedDisk& opened,
            const std::string& bus);
Status plug(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic, const std::string& bus);
// To be called once the guest's device is unplugged.
Status remove_backend(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk);
Status remove_backend(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic);
// The size in bytes that the guest sees; NOT_FOUND if the disk isn't attached.
Result<std::int64_t> disk_size(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk);
Status resize_disk(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, std::int64_t size);

}  // namespace qarax::qemu
