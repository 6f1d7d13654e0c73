#include "device_config.hpp"

namespace qarax::cloud_hypervisor {

namespace {

using json::Object;
using json::Value;

constexpr std::int64_t kSecondMs = 1000;

// A bucket that is full once a second. Its burst is there once, on top.
Value bucket(std::int64_t limit, const std::optional<std::int64_t>& burst) {
  Object out{{"size", Value(limit)}, {"refill_time", Value(kSecondMs)}};
  if (burst) out.emplace_back("one_time_burst", Value(*burst));
  return Value(std::move(out));
}

void add_limits(Object& to, const std::optional<RateLimits>& limits) {
  if (!limits) return;
  Object out;
  if (limits->bandwidth) out.emplace_back("bandwidth", bucket(*limits->bandwidth, limits->bandwidth_burst));
  if (limits->ops) out.emplace_back("ops", bucket(*limits->ops, limits->ops_burst));
  if (!out.empty()) to.emplace_back("rate_limiter_config", Value(std::move(out)));
}

}  // namespace

std::string device_id(const DiskSpec& disk) { return "disk-" + disk.id; }
std::string device_id(const NicSpec& nic) { return "nic-" + nic.id; }

std::vector<ErrorDetail> unsupported(const DiskSpec& disk, const Version& version) {
  std::vector<ErrorDetail> out;
  if (disk.fd) out.push_back({"/fd", "Cloud Hypervisor opens disks by their path"});
  if (version < kDiskFormats)
    out.push_back({"/format", "Cloud Hypervisor v" + std::to_string(version.major) + "." +
                                  std::to_string(version.minor) +
                                  " guesses a disk's format from what the guest has written to it; v" +
                                  std::to_string(kDiskFormats.major) + ".0 and newer are told"});
  return out;
}

std::string build_disk_config(const DiskSpec& disk) {
  Object out{{"id", Value(device_id(disk))},
             {"path", Value(disk.path)},
             {"image_type", Value(disk.format == DiskFormat::qcow2 ? "Qcow2" : "Raw")},
             {"readonly", Value(disk.readonly)},
             {"direct", Value(disk.direct)},
             {"num_queues", Value(std::int64_t{disk.queues})},
             {"serial", Value(disk.serial.empty() ? disk.id.substr(0, 20) : disk.serial)}};
  // What the image itself names is never opened.
  if (disk.format == DiskFormat::qcow2) out.emplace_back("backing_files", Value(false));
  add_limits(out, disk.rate_limits);
  return json::to_text(Value(std::move(out)));
}

std::string build_net_config(const NicSpec& nic) {
  // One queue each way a pair.
  Object out{
      {"id", Value(device_id(nic))}, {"mac", Value(nic.mac)}, {"num_queues", Value(std::int64_t{2} * nic.queues)}};
  if (!nic.tap.empty()) out.emplace_back("tap", Value(nic.tap));
  if (nic.mtu > 0) out.emplace_back("mtu", Value(std::int64_t{nic.mtu}));
  add_limits(out, nic.rate_limits);
  return json::to_text(Value(std::move(out)));
}

}  // namespace qarax::cloud_hypervisor
