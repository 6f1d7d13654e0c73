// Changes of a real, running guest: vCPUs, memory, disks, NICs; and a guest that continues from a snapshot.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "guest_shell.hpp"
#include "test_guest.hpp"

namespace qarax::qemu {
namespace {

using testing::kBootMs;

class GuestHotplug : public testing::GuestTest, protected plugin::testing::GuestShell {
 protected:
  GuestHotplug() : GuestShell(host, kBootMs) {}
  void start() {
    const auto started = plugin_->start(call.get(), args);
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_NE(host.console("qarax uptime", kBootMs), "") << "the guest didn't boot";
    quiet();
  }
  // As soon as memory could be added beyond 4 GiB, Linux reserves 64 MiB for devices that can't reach it.
  void grow_room() {
    args.spec.memory_size = 256 << 20;
    args.spec.memory_hotplug_size = 256 << 20;
  }
  static std::string live(const Result<VmStatus>& status) {
    return status ? status->live.text : status.error().message;
  }
  bool has(const Result<VmStatus>& status, const std::string& what) {
    EXPECT_NE(live(status).find(what), std::string::npos) << live(status);
    return status && status->live.text.find(what) != std::string::npos;
  }
};

TEST_F(GuestHotplug, VcpusAndMemoryComeAndGo) {
  args.spec.boot_vcpus = 1;
  args.spec.max_vcpus = 3;
  grow_room();
  args.boot.cmdline += " memhp_default_state=online_movable";
  resolve();
  start();
  ASSERT_TRUE(says("cat /sys/devices/system/cpu/online", "0\r\n"));
  const auto resize = [&](std::optional<std::int32_t> vcpus, std::optional<std::int64_t> memory) {
    return plugin_->resize(call.get(), {vm(), vcpus, memory});
  };
  ASSERT_TRUE(has(resize(3, std::nullopt), R"("vcpus":3)"));
  online(3);
  EXPECT_TRUE(says("cat /sys/devices/system/cpu/online", "0-2"));
  EXPECT_TRUE(has(resize(3, std::nullopt), R"("vcpus":3)")) << "what is so already is success";
  EXPECT_EQ(resize(2, std::nullopt).error().code, Code::failed_precondition) << "TCG doesn't survive it";

  ASSERT_TRUE(has(resize(std::nullopt, 384 << 20), R"("memory":402653184)"));
  wait_for_memory(3);
  ASSERT_TRUE(has(resize(std::nullopt, 256 << 20), R"("memory":268435456)"));
  wait_for_memory(2);
  EXPECT_EQ(plugin_->pause(call.get(), vm())->state, VmState::paused);
  EXPECT_TRUE(has(plugin_->inspect(call.get(), vm()), R"("vcpus":3)"));
  EXPECT_TRUE(has(plugin_->resume(call.get(), vm()), R"("vcpus":3)"));
  // A newly built machine would have one vCPU; a reboot keeps those that were plugged in.
  const std::size_t from = host.console_size();
  ASSERT_TRUE(plugin_->reboot(call.get(), vm()));
  EXPECT_NE(host.console("qarax guest: 3 vCPU, 256 MiB", kBootMs, from), "");
}

TEST_F(GuestHotplug, AGuestGoesOnWhereItWasFrozen) {
  args.spec.boot_vcpus = 1;
  args.spec.max_vcpus = 2;
  grow_room();
  args.boot.cmdline += " memhp_default_state=online";
  resolve();
  start();
  ASSERT_TRUE(plugin_->resize(call.get(), {vm(), 2, 384 << 20}));
  online(2);
  wait_for_memory(3);
  ask("echo kept >/run/word");
  ask("rm /run/quiet");
  ASSERT_NE(host.console("qarax uptime", kBootMs, host.console_size()), "");

  const std::string folder = dir() + "/snapshot";
  std::filesystem::create_directories(folder);
  const Socket at(::open(folder.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  call.set_fds({at.get()});
  const std::string last = host.console("qarax uptime", kBootMs);
  const std::size_t before = host.console_size();
  const auto frozen = plugin_->snapshot(call.get(), {vm()});
  ASSERT_TRUE(frozen) << frozen.error().message;
  EXPECT_EQ(frozen->state, VmState::running) << "it goes on after its snapshot";
  EXPECT_NE(host.console("qarax uptime", kBootMs, before), "");
  EXPECT_GT(std::filesystem::file_size(folder + "/memory"), 1u << 20);
  ASSERT_EQ(plugin_->stop(call.get(), {vm(), StopMode::force, 0})->state, VmState::shutdown);

  testing::RealHost other;
  Qemu again(other, create_);
  // The spec in the host's record follows the VM's size.
  args.spec.boot_vcpus = 2;
  args.spec.memory_size = 384 << 20;
  args.incarnation = 2;
  args.run_dir = dir() + "/run2";
  std::filesystem::create_directories(args.run_dir);
  const auto restored = again.restore(call.get(), args);
  ASSERT_TRUE(restored) << restored.error().message << restored.error().log_tail;
  EXPECT_EQ(restored->state, VmState::running);
  EXPECT_TRUE(has(restored, R"("vcpus":2,"memory":402653184)"));
  const std::string said = other.console("qarax uptime", kBootMs);
  ASSERT_NE(said, "") << "the guest didn't go on";
  EXPECT_EQ(said.find("Linux version"), std::string::npos) << "it booted";
  EXPECT_EQ(said.find("qarax guest:"), std::string::npos) << "it booted";
  const auto seconds = [](const std::string& text, std::size_t line) {
    return std::strtod(text.c_str() + line + std::strlen("qarax uptime"), nullptr);
  };
  // Wait for the end of the line: its number arrives a moment after its first words.
  const std::string line = other.console("\n", kBootMs, said.find("qarax uptime"));
  EXPECT_GT(seconds(line, 0), seconds(last, last.rfind("qarax uptime"))) << line;
  EXPECT_NE(ask(other, "cat /run/word /sys/devices/system/cpu/online", kBootMs).find("kept\r\n0-1"), std::string::npos);

  // A spec that differs from the snapshot's machine is refused without an attempt.
  ASSERT_TRUE(other.kill(nullptr, {}));
  args.spec.memory_size *= 2;
  args.incarnation = 3;
  const auto refused = again.restore(call.get(), args);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
}

TEST_F(GuestHotplug, ADiskByDescriptorIsWrittenGrownAndTakenOut) {
  start();
  const std::string image = dir() + "/image";
  std::ofstream(image) << "x";
  std::filesystem::resize_file(image, 4 << 20);
  const Socket file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  call.set_fds({file.get()});
  DiskSpec disk;
  disk.id = "123e4567-e89b-42d3-a456-426614174111";
  disk.fd = 0;
  disk.format = DiskFormat::raw;
  disk.rate_limits = RateLimits{.bandwidth = 64 << 20, .ops = 10'000};
  const auto attached = plugin_->attach_disk(call.get(), {vm(), disk});
  ASSERT_TRUE(has(attached, R"("disks":["123e4567-e89b-42d3-a456-426614174111"])"));
  EXPECT_TRUE(has(plugin_->attach_disk(call.get(), {vm(), disk}), "disks")) << "it is there: success";
  load_virtio();
  ask("until [ -e /sys/block/vda/size ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/block/vda/size", "8192"));
  ask("echo -n hello >/dev/vda; sync");
  std::string read(5, ' ');
  ASSERT_EQ(::pread(file.get(), read.data(), read.size(), 0), 5);
  EXPECT_EQ(read, "hello");

  const auto frozen = plugin_->snapshot(call.get(), {vm()});
  ASSERT_FALSE(frozen);
  EXPECT_NE(frozen.error().message.find("the writable disk " + disk.id), std::string::npos) << frozen.error().message;

  ASSERT_TRUE(plugin_->resize_disk(call.get(), {vm(), disk.id, 8 << 20}));
  ask("until grep -q 16384 /sys/block/vda/size; do sleep 0.1; done");
  EXPECT_EQ(plugin_->resize_disk(call.get(), {vm(), disk.id, 4 << 20}).error().code, Code::invalid_argument);
  const auto detached = plugin_->detach_disk(call.get(), {vm(), disk.id});
  ASSERT_TRUE(detached) << detached.error().message;
  EXPECT_EQ(detached->live.text.find("disks"), std::string::npos) << detached->live.text;
  EXPECT_TRUE(says("ls /sys/block | grep -c vda", "0"));
  EXPECT_TRUE(plugin_->detach_disk(call.get(), {vm(), disk.id})) << "gone is success";

  // Attach again, by path this time and read-only: this fails if anything of the first disk was left behind.
  disk.fd.reset();
  disk.path = image;
  disk.readonly = true;
  ASSERT_TRUE(has(plugin_->attach_disk(call.get(), {vm(), disk}), "disks"));
  ask("until [ -e /sys/block/vda/ro ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/block/vda/ro", "1"));
}

TEST_F(GuestHotplug, ANicOnATapComesAndGoes) {
  const Socket tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  std::strncpy(request.ifr_name, "qaraxtest%d", sizeof request.ifr_name - 1);
  if (tap.get() < 0 || ::ioctl(tap.get(), TUNSETIFF, &request) != 0)
    GTEST_SKIP() << "no tap device can be made here: " << std::strerror(errno);
  start();
  call.set_fds({tap.get()});
  NicSpec nic;
  nic.id = "net0";
  nic.mac = "52:54:00:12:34:56";
  nic.fds = {0};
  nic.mtu = 1400;
  ASSERT_TRUE(has(plugin_->attach_nic(call.get(), {vm(), nic}), R"("nics":["net0"])"));
  load_virtio();
  ask("until [ -e /sys/class/net/eth0/address ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu", "52:54:00:12:34:56\r\n1400"));
  EXPECT_EQ(plugin_->snapshot(call.get(), {vm()}).error().code, Code::failed_precondition);
  nic.rate_limits = RateLimits{.bandwidth = 1};
  nic.id = "net1";
  EXPECT_EQ(plugin_->attach_nic(call.get(), {vm(), nic}).error().details.at(0).pointer, "/nic/rate_limits");
  ASSERT_TRUE(plugin_->detach_nic(call.get(), {vm(), "net0"}));
  EXPECT_TRUE(says("ls /sys/class/net", "lo\r\n"));
  EXPECT_TRUE(says("ls /sys/class/net | grep -c eth0", "0"));
}

}  // namespace
}  // namespace qarax::qemu
