// The argument documents of qarax.hypervisor.disks/1 and nics/1. The host makes them from what its storage and network
// plugins gave it; no user's document names a path, a device or a descriptor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax {

// Upper limits for the device as a whole; absent: none. A burst is what may pass at once on top of its limit, in bytes,
// or in requests or packets.
struct RateLimits {
  std::optional<std::int64_t> bandwidth{};  // bytes a second, both directions together
  std::optional<std::int64_t> bandwidth_burst{};
  std::optional<std::int64_t> ops{};  // requests or packets a second
  std::optional<std::int64_t> ops_burst{};
};
template <>
struct Fields<RateLimits> {
  static constexpr std::string_view kName = "RateLimits";
  static constexpr auto kTable = field_table(
      field<&RateLimits::bandwidth>("bandwidth").min(1).doc("Bytes a second, both directions together."),
      field<&RateLimits::bandwidth_burst>("bandwidth_burst").min(1).doc("Bytes that may pass at once on top of it."),
      field<&RateLimits::ops>("ops").min(1).doc("Requests or packets a second."),
      field<&RateLimits::ops_burst>("ops_burst").min(1).doc("Requests or packets that may pass at once on top of it."));
};
QARAX_FIELDS_COMPLETE(RateLimits);

// Never probed: a guest that writes another format's header into its raw disk must not choose what the host opens.
enum class DiskFormat { unknown, raw, qcow2 };
template <>
struct EnumNames<DiskFormat> {
  static constexpr std::string_view kNames[] = {"unknown", "raw", "qcow2"};
  static constexpr DiskFormat kUnknown = DiskFormat::unknown;
};

struct DiskSpec {
  std::string id{};                  // unique among the VM's devices
  std::string path{};                // absolute: a file or block device of this host; or else `fd` is set
  std::optional<std::int32_t> fd{};  // an index into the call's descriptors; opened as `readonly` says
  DiskFormat format = DiskFormat::unknown;
  bool readonly = false;
  bool direct = false;   // bypasses the host's page cache
  std::string serial{};  // serial number that the guest sees; empty: made from the id
  std::int32_t queues = 1;
  std::optional<RateLimits> rate_limits{};
};
template <>
struct Fields<DiskSpec> {
  static constexpr std::string_view kName = "DiskSpec";
  static constexpr auto kTable = field_table(
      field<&DiskSpec::id>("id").required().min(1).max(64).doc("Unique among the VM's devices."),
      field<&DiskSpec::path>("path").max(4096).doc("File or block device of the host."),
      field<&DiskSpec::fd>("fd").min(0).doc("Index of a descriptor of the call, in place of a path."),
      field<&DiskSpec::format>("format").required().doc("Format of what is there; never probed."),
      field<&DiskSpec::readonly>("readonly").doc("The guest can't write."),
      field<&DiskSpec::direct>("direct").doc("Past the host's page cache."),
      field<&DiskSpec::serial>("serial").max(20).doc("Serial number that the guest sees; empty: made from the id."),
      field<&DiskSpec::queues>("queues").min(1).max(64).doc("Request queues."),
      field<&DiskSpec::rate_limits>("rate_limits").nullable().doc("Upper limits; none when null."));
};
QARAX_FIELDS_COMPLETE(DiskSpec);

struct NicSpec {
  std::string id{};                 // unique among the VM's devices
  std::string mac{};                // aa:bb:cc:dd:ee:ff
  std::string tap{};                // name of a tap device that is up and used by this VM only; or else `fds` is set
  std::vector<std::int32_t> fds{};  // indices into the call's descriptors, one open tap queue each
  std::int32_t queues = 1;          // pairs of queues; with `fds`, their number
  std::int32_t mtu = 0;             // 0: the tap's own
  std::optional<RateLimits> rate_limits{};
};
template <>
struct Fields<NicSpec> {
  static constexpr std::string_view kName = "NicSpec";
  static constexpr auto kTable = field_table(
      field<&NicSpec::id>("id").required().min(1).max(64).doc("Unique among the VM's devices."),
      field<&NicSpec::mac>("mac").required().min(17).max(17).doc("MAC address, aa:bb:cc:dd:ee:ff."),
      field<&NicSpec::tap>("tap").max(15).doc("Name of a tap device of the host."),
      field<&NicSpec::fds>("fds").doc("Indices of descriptors of the call, one tap queue each, in place of a name."),
      field<&NicSpec::queues>("queues").min(1).max(64).doc("Pairs of queues."),
      field<&NicSpec::mtu>("mtu").min(0).max(65535).doc("MTU that the guest is told; 0: the tap's own."),
      field<&NicSpec::rate_limits>("rate_limits").nullable().doc("Upper limits; none when null."));
};
QARAX_FIELDS_COMPLETE(NicSpec);

struct DiskArgs {
  VmArgs vm{};
  DiskSpec disk{};
};
template <>
struct Fields<DiskArgs> {
  static constexpr std::string_view kName = "DiskArgs";
  static constexpr auto kTable =
      field_table(field<&DiskArgs::vm>("vm").flat(), field<&DiskArgs::disk>("disk").required());
};
QARAX_FIELDS_COMPLETE(DiskArgs);

struct NicArgs {
  VmArgs vm{};
  NicSpec nic{};
};
template <>
struct Fields<NicArgs> {
  static constexpr std::string_view kName = "NicArgs";
  static constexpr auto kTable = field_table(field<&NicArgs::vm>("vm").flat(), field<&NicArgs::nic>("nic").required());
};
QARAX_FIELDS_COMPLETE(NicArgs);

// A disk or NIC that was attached, by its id.
struct DetachArgs {
  VmArgs vm{};
  std::string id{};
};
template <>
struct Fields<DetachArgs> {
  static constexpr std::string_view kName = "DetachArgs";
  static constexpr auto kTable =
      field_table(field<&DetachArgs::vm>("vm").flat(), field<&DetachArgs::id>("id").required().min(1).max(64));
};
QARAX_FIELDS_COMPLETE(DetachArgs);

struct DiskResizeArgs {
  VmArgs vm{};
  std::string id{};
  std::int64_t size = 0;  // bytes
};
template <>
struct Fields<DiskResizeArgs> {
  static constexpr std::string_view kName = "DiskResizeArgs";
  static constexpr auto kTable =
      field_table(field<&DiskResizeArgs::vm>("vm").flat(), field<&DiskResizeArgs::id>("id").required().min(1).max(64),
                  field<&DiskResizeArgs::size>("size").required().min(512));
};
QARAX_FIELDS_COMPLETE(DiskResizeArgs);

namespace detail {
// True if every VMM takes this as one name: no character in it ends an option, and as a file name it stays in its
// folder.
inline bool plain_name(std::string_view name) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !name.empty() && name.find_first_not_of(kPlain) == std::string_view::npos && name.front() != '-' &&
         name.front() != '.';
}
inline bool mac_address(std::string_view mac) {
  if (mac.size() != 17) return false;
  for (std::size_t i = 0; i < mac.size(); ++i)
    if (i % 3 == 2 ? mac[i] != ':' : std::string_view("0123456789abcdefABCDEF").find(mac[i]) == std::string_view::npos)
      return false;
  // The lowest bit of the first byte marks a group (multicast) address.
  return std::string_view("13579bdfBDF").find(mac[1]) == std::string_view::npos;
}
inline void check_burst(std::vector<ErrorDetail>& out, const std::optional<RateLimits>& limits) {
  if (!limits) return;
  if (limits->bandwidth_burst && !limits->bandwidth)
    out.push_back({"/rate_limits/bandwidth_burst", "means nothing without bandwidth"});
  if (limits->ops_burst && !limits->ops) out.push_back({"/rate_limits/ops_burst", "means nothing without ops"});
}
}  // namespace detail

// Checks what the rules of single fields can't express; pointers are relative to the disk or NIC. For plugins, before
// they attach. `fds`: how many descriptors the call has.
inline std::vector<ErrorDetail> problems_of(const DiskSpec& disk, std::size_t fds) {
  std::vector<ErrorDetail> out;
  if (!detail::plain_name(disk.id)) out.push_back({"/id", "takes letters, digits and -_. only: " + disk.id});
  if (disk.path.empty() != disk.fd.has_value())
    out.push_back({"/path", "a disk has a path or an fd, exactly one of them"});
  else if (disk.fd && static_cast<std::size_t>(*disk.fd) >= fds)
    out.push_back({"/fd", "the call has " + std::to_string(fds) + " descriptors, no " + std::to_string(*disk.fd)});
  else if (!disk.fd && disk.path.front() != '/')
    out.push_back({"/path", "isn't absolute: " + disk.path});
  if (disk.format == DiskFormat::unknown) out.push_back({"/format", "must be told: raw or qcow2"});
  if (!disk.serial.empty() && !detail::plain_name(disk.serial))
    out.push_back({"/serial", "takes letters, digits and -_. only: " + disk.serial});
  detail::check_burst(out, disk.rate_limits);
  return out;
}

inline std::vector<ErrorDetail> problems_of(const NicSpec& nic, std::size_t fds) {
  std::vector<ErrorDetail> out;
  if (!detail::plain_name(nic.id)) out.push_back({"/id", "takes letters, digits and -_. only: " + nic.id});
  if (!detail::mac_address(nic.mac)) out.push_back({"/mac", "isn't the address of one device: " + nic.mac});
  if (nic.tap.empty() == nic.fds.empty())
    out.push_back({"/tap", "a NIC has a tap or fds, exactly one of them"});
  else if (!nic.tap.empty() && !detail::plain_name(nic.tap))
    out.push_back({"/tap", "takes letters, digits and -_. only: " + nic.tap});
  if (!nic.fds.empty() && nic.fds.size() != static_cast<std::size_t>(nic.queues))
    out.push_back({"/queues", std::to_string(nic.fds.size()) + " descriptors are as many pairs of queues, not " +
                                  std::to_string(nic.queues)});
  for (const std::int32_t fd : nic.fds)
    if (fd < 0 || static_cast<std::size_t>(fd) >= fds)
      out.push_back({"/fds", "the call has " + std::to_string(fds) + " descriptors, no " + std::to_string(fd)});
  detail::check_burst(out, nic.rate_limits);
  return out;
}

}  // namespace qarax
