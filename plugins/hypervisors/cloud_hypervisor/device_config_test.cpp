#include "device_config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace qarax::cloud_hypervisor {
namespace {

DiskSpec disk() {
  DiskSpec out;
  out.id = "root";
  out.path = "/volumes/1";
  out.format = DiskFormat::raw;
  return out;
}

TEST(DeviceConfig, ADiskTellsItsFormat) {
  EXPECT_EQ(build_disk_config(disk()),
            R"({"id":"disk-root","path":"/volumes/1","image_type":"Raw","readonly":false,"direct":false,)"
            R"("num_queues":1,"serial":"root"})");
  auto spec = disk();
  spec.format = DiskFormat::qcow2;
  spec.readonly = spec.direct = true;
  spec.queues = 4;
  spec.serial = "S1";
  spec.rate_limits = RateLimits{1000, 500, 10, std::nullopt};
  EXPECT_EQ(build_disk_config(spec),
            R"({"id":"disk-root","path":"/volumes/1","image_type":"Qcow2","readonly":true,"direct":true,)"
            R"("num_queues":4,"serial":"S1","backing_files":false,"rate_limiter_config":{)"
            R"("bandwidth":{"size":1000,"refill_time":1000,"one_time_burst":500},)"
            R"("ops":{"size":10,"refill_time":1000}}})");
}

TEST(DeviceConfig, ANicHasAQueueEachWay) {
  NicSpec nic;
  nic.id = "net0";
  nic.mac = "52:54:00:12:34:56";
  nic.tap = "tap7";
  nic.mtu = 9000;
  nic.queues = 2;
  nic.rate_limits = RateLimits{.ops = 5};
  EXPECT_EQ(build_net_config(nic),
            R"({"id":"nic-net0","mac":"52:54:00:12:34:56","num_queues":4,"tap":"tap7","mtu":9000,)"
            R"("rate_limiter_config":{"ops":{"size":5,"refill_time":1000}}})");
  nic.tap.clear();
  nic.fds = {0};
  nic.queues = 1;
  nic.mtu = 0;
  nic.rate_limits.reset();
  EXPECT_EQ(build_net_config(nic), R"({"id":"nic-net0","mac":"52:54:00:12:34:56","num_queues":2})")
      << "the descriptors go beside it";
}

TEST(DeviceConfig, WhatAVersionCanNotDoIsRefusedWithItsPointer) {
  EXPECT_TRUE(unsupported(disk(), {53, 0}).empty());
  EXPECT_TRUE(unsupported(disk(), {51, 0}).empty());
  EXPECT_EQ(unsupported(disk(), {44, 0}).at(0).pointer, "/format") << "it would guess";
  auto by_fd = disk();
  by_fd.fd = 0;
  EXPECT_EQ(unsupported(by_fd, {53, 0}).at(0).pointer, "/fd");
}

TEST(Features, AreWhatTheVersionAndTheSettingsLeave) {
  const auto has = [](const Version& version, const Settings& settings, const char* feature) {
    const auto all = features_of(version, settings);
    return std::find(all.begin(), all.end(), feature) != all.end();
  };
  EXPECT_TRUE(has({53, 0}, {}, "disks") && has({53, 0}, {}, "disk-resize") && has({53, 0}, {}, "snapshot"));
  EXPECT_TRUE(has({44, 0}, {}, "snapshot") && has({44, 0}, {}, "nics"));
  EXPECT_FALSE(has({44, 0}, {}, "disks") || has({44, 0}, {}, "disk-resize"));
  Settings confined;
  confined.landlock = true;
  EXPECT_FALSE(has({53, 0}, confined, "snapshot") || has({53, 0}, confined, "disks") || has({53, 0}, confined, "nics"));
}

}  // namespace
}  // namespace qarax::cloud_hypervisor
