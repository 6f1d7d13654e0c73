#include "device_commands.hpp"

#include <array>
#include <cstdio>

#include "hotplug.hpp"

namespace qarax::qemu {

namespace {

using json::Object;
using json::Value;

// QEMU limits names of block nodes to 31 characters, but a disk's id may be longer: use an FNV-1a hash of it.
std::string node_of(const DiskSpec& disk) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : disk.id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::array<char, 24> out{};
  std::snprintf(out.data(), out.size(), "disk-%016llx", static_cast<unsigned long long>(hash));
  return out.data();
}

std::string limits_of(const DiskSpec& disk) { return "limits-" + disk.id; }
std::string net_of(const NicSpec& nic) { return "net-" + nic.id; }
std::string queue_of(const NicSpec& nic, std::size_t queue) { return "queue-" + nic.id + "-" + std::to_string(queue); }

bool is_limited(const DiskSpec& disk) {
  return disk.rate_limits && (disk.rate_limits->bandwidth || disk.rate_limits->ops);
}

void add_limit(Object& to, const std::string& name, const std::optional<std::int64_t>& limit,
               const std::optional<std::int64_t>& burst) {
  if (!limit) return;
  to.emplace_back(name + "-total", Value(*limit));
  // QEMU's maximum is a rate per second: the limit plus the burst on top of it.
  if (burst) to.emplace_back(name + "-total-max", Value(*limit + *burst));
}

// The set that holds a disk's descriptor, found by the mark it was added with; nullopt if there is none.
Result<std::optional<std::int64_t>> descriptors_of(const plugin::Call& call, QmpClient& qmp, const std::string& mark) {
  QARAX_TRY(const Value sets, qmp.execute(call, "query-fdsets"));
  if (sets.as_array() != nullptr)
    for (const Value& set : *sets.as_array()) {
      const Value* id = set.find("fdset-id");
      const Value* fds = set.find("fds");
      if (id == nullptr || id->as_int() == nullptr || fds == nullptr || fds->as_array() == nullptr) continue;
      for (const Value& one : *fds->as_array())
        if (const Value* opaque = one.find("opaque");
            opaque != nullptr && opaque->as_string() != nullptr && *opaque->as_string() == mark)
          return std::optional(*id->as_int());
    }
  return std::optional<std::int64_t>();
}

Result<std::string> file_of(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk) {
  if (!disk.fd) return disk.path;
  QARAX_TRY(const Value added, qmp.execute(call, "add-fd", {{"opaque", Value(device_id(disk))}},
                                           call.fd(static_cast<std::size_t>(*disk.fd))));
  const Value* set = added.find("fdset-id");
  if (set == nullptr || set->as_int() == nullptr) return make_error(Code::internal, "QEMU's add-fd names no set");
  return "/dev/fdset/" + std::to_string(*set->as_int());
}

}  // namespace

std::string device_id(const DiskSpec& disk) { return "disk-" + disk.id; }
std::string device_id(const NicSpec& nic) { return "nic-" + nic.id; }

json::Object disk_backend(const DiskSpec& disk, const plugin::OpenedDisk& opened, const std::string& file) {
  const Object cache{{"direct", Value(disk.direct)}};
  Object protocol{{"driver", Value(opened.is_block_device ? "host_device" : "file")},
                  {"filename", Value(file)},
                  {"cache", Value(cache)},
                  {"read-only", Value(disk.readonly)}};
  Object format{{"driver", Value(disk.format == DiskFormat::qcow2 ? "qcow2" : "raw")},
                {"file", Value(std::move(protocol))},
                {"cache", Value(cache)},
                {"discard", Value("unmap")},
                {"read-only", Value(disk.readonly)}};
  // Never open a backing file that the image itself names.
  if (disk.format == DiskFormat::qcow2) format.emplace_back("backing", Value());
  if (!is_limited(disk)) {
    format.emplace_back("node-name", Value(node_of(disk)));
    return format;
  }
  return {{"driver", Value("throttle")},
          {"throttle-group", Value(limits_of(disk))},
          {"file", Value(std::move(format))},
          {"read-only", Value(disk.readonly)},
          {"node-name", Value(node_of(disk))}};
}

json::Object disk_limits(const DiskSpec& disk) {
  if (!is_limited(disk)) return {};
  Object limits;
  add_limit(limits, "bps", disk.rate_limits->bandwidth, disk.rate_limits->bandwidth_burst);
  add_limit(limits, "iops", disk.rate_limits->ops, disk.rate_limits->ops_burst);
  return {{"qom-type", Value("throttle-group")}, {"id", Value(limits_of(disk))}, {"limits", Value(std::move(limits))}};
}

json::Object disk_device(const DiskSpec& disk, const std::string& bus) {
  return {{"driver", Value("virtio-blk-pci")},
          {"id", Value(device_id(disk))},
          {"bus", Value(bus)},
          {"drive", Value(node_of(disk))},
          {"serial", Value(disk.serial.empty() ? disk.id.substr(0, 20) : disk.serial)},
          {"num-queues", Value(std::int64_t{disk.queues})}};
}

json::Object nic_backend(const NicSpec& nic) {
  Object out{{"type", Value("tap")}, {"id", Value(net_of(nic))}};
  if (nic.fds.empty()) {
    out.emplace_back("ifname", Value(nic.tap));
    out.emplace_back("script", Value("no"));
    out.emplace_back("downscript", Value("no"));
    if (nic.queues > 1) out.emplace_back("queues", Value(std::int64_t{nic.queues}));
    return out;
  }
  std::string names;
  for (std::size_t i = 0; i < nic.fds.size(); ++i) names += (i == 0 ? "" : ":") + queue_of(nic, i);
  out.emplace_back(nic.fds.size() == 1 ? "fd" : "fds", Value(names));
  return out;
}

json::Object nic_device(const NicSpec& nic, const std::string& bus) {
  Object out{{"driver", Value("virtio-net-pci")},
             {"id", Value(device_id(nic))},
             {"bus", Value(bus)},
             {"netdev", Value(net_of(nic))},
             {"mac", Value(nic.mac)}};
  // Two vectors per queue (receive and send), one for the configuration and one for the control queue.
  if (nic.queues > 1) {
    out.emplace_back("mq", Value(true));
    out.emplace_back("vectors", Value(std::int64_t{2} * nic.queues + 2));
  }
  if (nic.mtu > 0) out.emplace_back("host_mtu", Value(std::int64_t{nic.mtu}));
  return out;
}

Status plug(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, const plugin::OpenedDisk& opened,
            const std::string& bus) {
  // Remove what an interrupted call may have left.
  QARAX_CHECK(remove_backend(call, qmp, disk));
  QARAX_TRY(const std::string file, file_of(call, qmp, disk));
  if (const Object limits = disk_limits(disk); !limits.empty()) QARAX_CHECK(qmp.execute(call, "object-add", limits));
  QARAX_CHECK(qmp.execute(call, "blockdev-add", disk_backend(disk, opened, file)));
  QARAX_CHECK(qmp.execute(call, "device_add", disk_device(disk, bus)));
  return Ok{};
}

Status plug(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic, const std::string& bus) {
  QARAX_CHECK(remove_backend(call, qmp, nic));
  for (std::size_t i = 0; i < nic.fds.size(); ++i)
    QARAX_CHECK(qmp.execute(call, "getfd", {{"fdname", Value(queue_of(nic, i))}},
                            call.fd(static_cast<std::size_t>(nic.fds[i]))));
  QARAX_CHECK(qmp.execute(call, "netdev_add", nic_backend(nic)));
  QARAX_CHECK(qmp.execute(call, "device_add", nic_device(nic, bus)));
  return Ok{};
}

Status remove_backend(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk) {
  QARAX_CHECK(remove(call, qmp, "blockdev-del", {{"node-name", Value(node_of(disk))}}));
  if (is_limited(disk)) QARAX_CHECK(remove(call, qmp, "object-del", {{"id", Value(limits_of(disk))}}));
  if (!disk.fd) return Ok{};
  QARAX_TRY(const auto set, descriptors_of(call, qmp, device_id(disk)));
  if (set) QARAX_CHECK(remove(call, qmp, "remove-fd", {{"fdset-id", Value(*set)}}));
  return Ok{};
}

Status remove_backend(const plugin::Call& call, QmpClient& qmp, const NicSpec& nic) {
  return remove(call, qmp, "netdev_del", {{"id", Value(net_of(nic))}});
}

Result<std::int64_t> disk_size(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk) {
  QARAX_TRY(const Value nodes, qmp.execute(call, "query-named-block-nodes", {{"flat", Value(true)}}));
  if (nodes.as_array() != nullptr)
    for (const Value& node : *nodes.as_array()) {
      const Value* name = node.find("node-name");
      const Value* image = node.find("image");
      const Value* size = image != nullptr ? image->find("virtual-size") : nullptr;
      if (name != nullptr && name->as_string() != nullptr && *name->as_string() == node_of(disk) && size != nullptr &&
          size->as_int() != nullptr)
        return *size->as_int();
    }
  return make_error(Code::not_found, "QEMU has no disk " + disk.id);
}

Status resize_disk(const plugin::Call& call, QmpClient& qmp, const DiskSpec& disk, std::int64_t size) {
  QARAX_CHECK(qmp.execute(call, "block_resize", {{"node-name", Value(node_of(disk))}, {"size", Value(size)}}));
  return Ok{};
}

}  // namespace qarax::qemu
