#include "qarax/plugin/device_args.hpp"

#include <gtest/gtest.h>

namespace qarax {
namespace {

using Pointers = std::vector<std::string>;
template <class Device>
Pointers pointers(const Device& device, std::size_t fds = 0) {
  Pointers out;
  for (const auto& detail : problems_of(device, fds)) out.push_back(detail.pointer);
  return out;
}

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
  out.tap = "tap0";
  return out;
}

TEST(DeviceArgs, ADiskSaysWhereAndInWhichFormat) {
  EXPECT_EQ(pointers(disk()), Pointers{});
  auto bad = disk();
  bad.format = DiskFormat::unknown;
  EXPECT_EQ(pointers(bad), Pointers{"/format"});
  bad = disk();
  bad.path = "volumes/1";
  EXPECT_EQ(pointers(bad), Pointers{"/path"});
  bad.path.clear();
  EXPECT_EQ(pointers(bad), Pointers{"/path"}) << "neither";
  bad.fd = 0;
  EXPECT_EQ(pointers(bad, 0), Pointers{"/fd"}) << "no such descriptor";
  EXPECT_EQ(pointers(bad, 1), Pointers{});
  bad.path = "/volumes/1";
  EXPECT_EQ(pointers(bad, 1), Pointers{"/path"}) << "both";
}

TEST(DeviceArgs, NamesCanNotBecomeOptionsOrPaths) {
  for (const char* name : {"", "a,b", "../x", ".x", "-x", "a b", "a=b", "a/b", "a\"b"}) {
    auto bad_disk = disk();
    bad_disk.id = name;
    EXPECT_EQ(pointers(bad_disk), Pointers{"/id"}) << name;
    auto bad_nic = nic();
    bad_nic.id = name;
    EXPECT_EQ(pointers(bad_nic), Pointers{"/id"}) << name;
  }
  auto bad = disk();
  bad.serial = "x,readonly=off";
  EXPECT_EQ(pointers(bad), Pointers{"/serial"});
}

TEST(DeviceArgs, ANicHasOneMacAndOneWayOut) {
  EXPECT_EQ(pointers(nic()), Pointers{});
  for (const char* mac : {"", "52-54-00-12-34-56", "52:54:00:12:34:5g", "01:00:5e:00:00:01", "52:54:00:12:34"}) {
    auto bad = nic();
    bad.mac = mac;
    EXPECT_EQ(pointers(bad), Pointers{"/mac"}) << mac;
  }
  auto by_fd = nic();
  by_fd.fds = {0, 1};
  by_fd.queues = 2;
  EXPECT_EQ(pointers(by_fd, 2), Pointers{"/tap"}) << "both";
  by_fd.tap.clear();
  EXPECT_EQ(pointers(by_fd, 2), Pointers{});
  EXPECT_EQ(pointers(by_fd, 1), Pointers{"/fds"});
  by_fd.queues = 1;
  EXPECT_EQ(pointers(by_fd, 2), Pointers{"/queues"});
}

TEST(DeviceArgs, ABurstNeedsItsLimit) {
  auto limited = disk();
  limited.rate_limits = RateLimits{.bandwidth = 1 << 20, .bandwidth_burst = 1 << 22};
  EXPECT_EQ(pointers(limited), Pointers{});
  limited.rate_limits->bandwidth.reset();
  limited.rate_limits->ops_burst = 5;
  EXPECT_EQ(pointers(limited), (Pointers{"/rate_limits/bandwidth_burst", "/rate_limits/ops_burst"}));
}

TEST(DeviceArgs, AnUnknownFormatOrMemberIsRefusedTowardsThePlugin) {
  const auto args = [](const std::string& members) {
    return decode<DiskArgs>(R"({"vm":"a","incarnation":1,"disk":{"id":"d","path":"/v",)" + members + "}}");
  };
  EXPECT_TRUE(args(R"("format":"qcow2","readonly":true)"));
  EXPECT_EQ(args(R"("format":"vdi")").error().details.at(0).pointer, "/disk/format");
  EXPECT_EQ(args(R"("format":"raw","encrypted":true)").error().details.at(0).pointer, "/disk/encrypted");
  EXPECT_EQ(args(R"("readonly":true)").error().details.at(0).pointer, "/disk/format") << "required";
}

}  // namespace
}  // namespace qarax
