// Disks and NICs → what vm.add-disk and vm.add-net take. Pure.
#pragma once

#include <string>
#include <vector>

#include "program.hpp"

namespace qarax::cloud_hypervisor {

std::string device_id(const DiskSpec& disk);
std::string device_id(const NicSpec& nic);

// Beyond problems_of(): what this version, or Cloud Hypervisor at all, can't do with it.
std::vector<ErrorDetail> unsupported(const DiskSpec& disk, const Version& version);

std::string build_disk_config(const DiskSpec& disk);
std::string build_net_config(const NicSpec& nic);

}  // namespace qarax::cloud_hypervisor
