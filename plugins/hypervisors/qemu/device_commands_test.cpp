#include "device_commands.hpp"

#include <gtest/gtest.h>

namespace qarax::qemu {
namespace {

DiskSpec disk() {
  DiskSpec out;
  out.id = "root";
  out.path = "/volumes/1";
  out.format = DiskFormat::raw;
  return out;
}
NicSpec nic() {
  NicSpec out;
  out.id = "net0";
  out.mac = "52:54:00:12:34:56";
  out.tap = "tap7";
  return out;
}
std::string text(json::Object object) { return json::to_text(json::Value(std::move(object))); }

TEST(Devices, ARawFile) {
  EXPECT_EQ(text(disk_backend(disk(), {}, "/volumes/1")),
            R"({"driver":"raw","file":{"driver":"file","filename":"/volumes/1","cache":{"direct":false},)"
            R"("read-only":false},"cache":{"direct":false},"discard":"unmap","read-only":false,)"
            R"("node-name":"disk-a354fd1ff0c467c5"})");
  EXPECT_EQ(text(disk_limits(disk())), "{}");
  EXPECT_EQ(text(disk_device(disk(), "hotplug")),
            R"({"driver":"virtio-blk-pci","id":"disk-root","bus":"hotplug","drive":"disk-a354fd1ff0c467c5",)"
            R"("serial":"root","num-queues":1})");
}

TEST(Devices, AReadonlyQcow2OnADeviceWithLimitsAndNoFilesOfItsOwnChoice) {
  auto spec = disk();
  spec.format = DiskFormat::qcow2;
  spec.readonly = spec.direct = true;
  spec.queues = 4;
  spec.serial = "S1";
  spec.rate_limits = RateLimits{.bandwidth = 1000, .bandwidth_burst = 500, .ops = 10};
  EXPECT_EQ(text(disk_backend(spec, {.size = 1, .is_block_device = true}, "/dev/fdset/3")),
            R"({"driver":"throttle","throttle-group":"limits-root","file":{"driver":"qcow2","file":)"
            R"({"driver":"host_device","filename":"/dev/fdset/3","cache":{"direct":true},"read-only":true},)"
            R"("cache":{"direct":true},"discard":"unmap","read-only":true,"backing":null},"read-only":true,)"
            R"("node-name":"disk-a354fd1ff0c467c5"})");
  EXPECT_EQ(text(disk_limits(spec)), R"({"qom-type":"throttle-group","id":"limits-root","limits":)"
                                     R"({"bps-total":1000,"bps-total-max":1500,"iops-total":10}})");
  EXPECT_EQ(text(disk_device(spec, "pci.0")),
            R"({"driver":"virtio-blk-pci","id":"disk-root","bus":"pci.0","drive":"disk-a354fd1ff0c467c5",)"
            R"("serial":"S1","num-queues":4})");
}

TEST(Devices, LongIdsHaveNodesOfTheirOwn) {
  auto one = disk();
  one.id = "123e4567-e89b-42d3-a456-426614174000";
  auto other = one;
  other.id.back() = '1';
  const auto node = [](const DiskSpec& spec) {
    return *json::Value(disk_backend(spec, {}, "/x")).find("node-name")->as_string();
  };
  EXPECT_NE(node(one), node(other));
  EXPECT_LE(node(one).size(), 31u);
}

TEST(Devices, ATapByNameOrByDescriptors) {
  auto spec = nic();
  EXPECT_EQ(text(nic_backend(spec)),
            R"({"type":"tap","id":"net-net0","ifname":"tap7","script":"no","downscript":"no"})");
  EXPECT_EQ(text(nic_device(spec, "hotplug")),
            R"({"driver":"virtio-net-pci","id":"nic-net0","bus":"hotplug","netdev":"net-net0",)"
            R"("mac":"52:54:00:12:34:56"})");
  spec.queues = 2;
  spec.mtu = 9000;
  EXPECT_EQ(text(nic_backend(spec)),
            R"({"type":"tap","id":"net-net0","ifname":"tap7","script":"no","downscript":"no","queues":2})");
  EXPECT_EQ(text(nic_device(spec, "hotplug")),
            R"({"driver":"virtio-net-pci","id":"nic-net0","bus":"hotplug","netdev":"net-net0",)"
            R"("mac":"52:54:00:12:34:56","mq":true,"vectors":6,"host_mtu":9000})");
  spec.tap.clear();
  spec.fds = {0, 1};
  EXPECT_EQ(text(nic_backend(spec)), R"({"type":"tap","id":"net-net0","fds":"queue-net0-0:queue-net0-1"})");
  spec.fds = {0};
  EXPECT_EQ(text(nic_backend(spec)), R"({"type":"tap","id":"net-net0","fd":"queue-net0-0"})");
}

}  // namespace
}  // namespace qarax::qemu
