// The plugin with the real Cloud Hypervisor and a real guest, where KVM runs one: CLOUD_HYPERVISOR names the program,
// QARAX_GUEST_DIR the guest. Where either is missing nothing is tried; e2e/kvm-lab has both.
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "guest_shell.hpp"
#include "testing/test_plugin.hpp"

namespace qarax::cloud_hypervisor {
namespace {

using plugin::testing::GuestShell;
using plugin::testing::RealHost;

constexpr std::int64_t kBootMs = 45'000;  // under two layers of emulation a boot takes seconds

class RealGuest : public testing::PluginTest, protected GuestShell {
 protected:
  RealGuest() : GuestShell(host, kBootMs) {}
  void SetUp() override {
    const char* program = std::getenv("CLOUD_HYPERVISOR");
    const char* folder = std::getenv("QARAX_GUEST_DIR");
    if (program == nullptr || folder == nullptr)
      GTEST_SKIP() << "CLOUD_HYPERVISOR and QARAX_GUEST_DIR name no program and guest";
    binary = program;
    trial = "skip";
    if (const char* seccomp = std::getenv("CLOUD_HYPERVISOR_SECCOMP"))
      settings = std::string(R"(,"seccomp":")") + seccomp + "\"";
    boot.kernel = std::string(folder) + "/vmlinuz";
    boot.initramfs = std::string(folder) + "/initramfs.cpio";
    boot.cmdline = "console=ttyS0 reboot=k panic=1 memhp_default_state=online";
    // Below that Linux keeps 64 MiB for devices as soon as memory may come beyond 4 GiB.
    memory_size = 256 << 20;
    PluginTest::SetUp();
  }
  // A guest stops in its boot now and then where KVM itself is emulated (e2e/kvm-lab/README.md): that says nothing of a
  // VMM, and is tried again.
  void boot_guest() {
    for (int left = 3; left > 0; --left) {
      const std::size_t from = host.console_size();
      start();
      if (host.console("qarax uptime", kBootMs, from) != "") return quiet();
      std::fprintf(stderr, "the guest stopped in its boot, after: %s\n", host.console("", 1, from).c_str());
      ASSERT_EQ(plugin().stop(call.get(), {vm(), StopMode::force, 0})->state, VmState::shutdown);
    }
    FAIL() << "the guest didn't boot";
  }
  bool offers(const std::string& feature) {
    const auto said = plugin().describe(call.get());
    return said && std::count(said->features.begin(), said->features.end(), feature) == 1;
  }
  Result<VmStatus> resize(std::optional<std::int32_t> vcpus, std::optional<std::int64_t> bytes) {
    return plugin().resize(call.get(), {vm(), vcpus, bytes});
  }
  static bool has(const Result<VmStatus>& status, const std::string& what) {
    const std::string& said = status ? status->live.text : status.error().message;
    EXPECT_NE(said.find(what), std::string::npos) << said;
    return status && said.find(what) != std::string::npos;
  }
  // A tap of our own; by name it stays until the test ends.
  plugin::Socket make_tap(const char* name) {
    plugin::Socket tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    EXPECT_EQ(::ioctl(tap.get(), TUNSETIFF, &request), 0) << std::strerror(errno);
    return tap;
  }
};

TEST_F(RealGuest, VcpusAndMemoryComeAndStayOverAReboot) {
  ASSERT_NO_FATAL_FAILURE(boot_guest());
  ASSERT_TRUE(says("cat /sys/devices/system/cpu/online", "0\r\n"));
  ASSERT_TRUE(has(resize(3, std::nullopt), R"("vcpus":3)"));
  online(3);
  EXPECT_TRUE(says("cat /sys/devices/system/cpu/online", "0-2"));
  EXPECT_TRUE(has(resize(3, std::nullopt), R"("vcpus":3)")) << "what is so already is success";
  ASSERT_TRUE(has(resize(std::nullopt, 384 << 20), R"("memory":402653184)"));
  wait_for_memory(3);
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused);
  EXPECT_TRUE(has(plugin().inspect(call.get(), vm()), R"("vcpus":3)"));
  EXPECT_TRUE(has(plugin().resume(call.get(), vm()), R"("vcpus":3)"));
  // The guest gives a vCPU back by itself.
  ASSERT_TRUE(has(resize(2, std::nullopt), R"("vcpus":2)"));
  ask("until grep -qx 0-1 /sys/devices/system/cpu/online; do sleep 0.1; done");
  const std::size_t from = host.console_size();
  ASSERT_TRUE(plugin().reboot(call.get(), vm()));
  EXPECT_NE(host.console("qarax guest: 2 vCPU, 384 MiB", kBootMs, from), "") << host.console("qarax", 1, from);
}

TEST_F(RealGuest, AGuestGoesOnWhereItWasFrozen) {
  ASSERT_NO_FATAL_FAILURE(boot_guest());
  ASSERT_TRUE(resize(2, 384 << 20));
  online(2);
  wait_for_memory(3);
  ask("echo kept >/run/word");
  const bool disks = offers("disks");
  if (disks) {
    ASSERT_TRUE(plugin().attach_disk(call.get(), {vm(), disk(true)}));
    load_virtio();
    ask("until [ -e /sys/block/vda/ro ]; do sleep 0.1; done");
  }
  const std::string last = ask("cat /proc/uptime");
  const auto frozen = plugin().snapshot(call.get(), {vm()});
  ASSERT_TRUE(frozen) << frozen.error().message;
  EXPECT_EQ(frozen->state, VmState::running) << "it goes on after its snapshot";
  EXPECT_TRUE(says("cat /run/word", "kept"));
  ASSERT_EQ(plugin().stop(call.get(), {vm(), StopMode::force, 0})->state, VmState::shutdown);

  auto args = start_args();
  args.spec.boot_vcpus = 2;
  args.spec.memory_size = 384 << 20;
  args.incarnation = 2;
  args.run_dir = dir() + "/run2";
  const std::size_t from = host.console_size();
  const auto restored = plugin().restore(call.get(), args);
  ASSERT_TRUE(restored) << restored.error().message << restored.error().log_tail;
  EXPECT_EQ(restored->state, VmState::running);
  EXPECT_TRUE(has(restored, R"("vcpus":2,"memory":402653184)"));
  EXPECT_TRUE(says("cat /run/word /sys/devices/system/cpu/online", "kept\r\n0-1"));
  const std::string now = ask("cat /proc/uptime");
  EXPECT_GE(std::strtod(now.c_str() + now.find_first_of("0123456789"), nullptr),
            std::strtod(last.c_str() + last.find_first_of("0123456789"), nullptr));
  EXPECT_EQ(host.console("", 1, from).find("qarax guest:"), std::string::npos) << "it booted";
  if (disks) {
    EXPECT_TRUE(has(restored, R"("disks":["data"])"));
    EXPECT_TRUE(says("dd if=/dev/vda bs=4 count=1 2>/dev/null", "xxxx"));
    const VmArgs again{args.vm, 2, args.run_dir, {call.kept}};
    ASSERT_TRUE(plugin().detach_disk(call.get(), {again, "data"}));
    EXPECT_TRUE(says("ls /sys/block | grep -c vda", "0"));
  }
}

TEST_F(RealGuest, ADiskIsWrittenGrownAndTakenOut) {
  ASSERT_NO_FATAL_FAILURE(boot_guest());
  auto data = disk();
  std::filesystem::resize_file(data.path, 4 << 20);
  const auto attached = plugin().attach_disk(call.get(), {vm(), data});
  if (!offers("disks")) {
    EXPECT_EQ(attached.error().reason, "capability-missing");
    return;
  }
  ASSERT_TRUE(has(attached, R"("disks":["data"])"));
  EXPECT_TRUE(has(plugin().attach_disk(call.get(), {vm(), data}), "disks")) << "it is there: success";
  load_virtio();
  ask("until [ -e /sys/block/vda/size ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/block/vda/size /sys/block/vda/ro", "8192\r\n0"));
  ask("echo -n hello >/dev/vda; sync");
  std::string read(5, ' ');
  std::ifstream(data.path).read(read.data(), 5);
  EXPECT_EQ(read, "hello");

  const auto frozen = plugin().snapshot(call.get(), {vm()});
  ASSERT_FALSE(frozen);
  EXPECT_NE(frozen.error().message.find("the writable disk data"), std::string::npos) << frozen.error().message;
  EXPECT_EQ(inspect(), VmState::running);

  const auto grown = plugin().resize_disk(call.get(), {vm(), "data", 8 << 20});
  ASSERT_TRUE(grown) << grown.error().message;
  EXPECT_EQ(std::filesystem::file_size(data.path), 8u << 20);
  ask("until grep -q 16384 /sys/block/vda/size; do sleep 0.1; done");
  EXPECT_EQ(plugin().resize_disk(call.get(), {vm(), "data", 4 << 20}).error().code, Code::invalid_argument);
  const auto detached = plugin().detach_disk(call.get(), {vm(), "data"});
  ASSERT_TRUE(detached) << detached.error().message;
  EXPECT_EQ(detached->live.text.find("disks"), std::string::npos) << detached->live.text;
  EXPECT_TRUE(says("ls /sys/block | grep -c vda", "0"));
  EXPECT_TRUE(plugin().detach_disk(call.get(), {vm(), "data"})) << "gone is success";

  // Again, and read-only for the guest: nothing of the first was left in the way.
  data.readonly = true;
  ASSERT_TRUE(has(plugin().attach_disk(call.get(), {vm(), data}), "disks"));
  ask("until [ -e /sys/block/vda/ro ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/block/vda/ro", "1"));
}

TEST_F(RealGuest, NicsComeAndGo) {
  const auto by_descriptor = make_tap("qaraxtest0");
  auto by_name = make_tap("qaraxtest1");
  ASSERT_EQ(::ioctl(by_name.get(), TUNSETPERSIST, 1), 0) << std::strerror(errno);
  by_name.close();
  ASSERT_NO_FATAL_FAILURE(boot_guest());
  load_virtio();
  NicSpec nic;
  nic.id = "net0";
  nic.mac = "52:54:00:12:34:56";
  nic.fds = {0};
  nic.mtu = 1400;
  call.set_fds({by_descriptor.get()});
  ASSERT_TRUE(has(plugin().attach_nic(call.get(), {vm(), nic}), R"("nics":["net0"])"));
  load_virtio();
  ask("until [ -e /sys/class/net/eth0/address ]; do sleep 0.1; done");
  EXPECT_TRUE(says("cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu", "52:54:00:12:34:56\r\n1400"));
  EXPECT_EQ(plugin().snapshot(call.get(), {vm()}).error().code, Code::failed_precondition);
  ASSERT_TRUE(plugin().detach_nic(call.get(), {vm(), "net0"}));
  EXPECT_TRUE(says("ls /sys/class/net | grep -c eth", "0"));

  nic.id = "net1";
  nic.fds.clear();
  nic.tap = "qaraxtest1";
  nic.mac = "52:54:00:12:34:57";
  ASSERT_TRUE(has(plugin().attach_nic(call.get(), {vm(), nic}), R"("nics":["net1"])"));
  ask("until cat /sys/class/net/eth*/address 2>/dev/null | grep -q 34:57; do sleep 0.1; done");
  ASSERT_TRUE(plugin().detach_nic(call.get(), {vm(), "net1"}));
  EXPECT_TRUE(says("ls /sys/class/net | grep -c eth", "0"));
  ASSERT_TRUE(plugin().stop(call.get(), {vm(), StopMode::graceful, kBootMs}));
  by_name = make_tap("qaraxtest1");
  EXPECT_EQ(::ioctl(by_name.get(), TUNSETPERSIST, 0), 0) << "the VMM holds no tap any more";
}

TEST_F(RealGuest, APausedGuestIsSilentAndAButtonEndsOne) {
  start();
  ASSERT_NE(host.console("qarax uptime", kBootMs), "");
  EXPECT_EQ(plugin().pause(call.get(), vm())->state, VmState::paused);
  // What was on its way has to arrive before silence means anything.
  host.console("never", 200);
  const std::size_t from = host.console_size();
  EXPECT_EQ(host.console("qarax uptime", 2500, from), "") << "a paused guest talks";
  EXPECT_EQ(plugin().resume(call.get(), vm())->state, VmState::running);
  EXPECT_NE(host.console("qarax uptime", kBootMs, from), "");
  const auto counters = plugin().counters(call.get(), vm());
  ASSERT_TRUE(counters) << counters.error().message;
  EXPECT_GT(counters->counters.at(0).value, 100'000'000) << "a boot takes more processor time than that";
  const auto stopped = plugin().stop(call.get(), {vm(), StopMode::graceful, kBootMs});
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->status_reason, "the guest powered off");
}

TEST_F(RealGuest, WhatItsConfigAddsArrives) {
  const Version version = version_of(plugin().describe(call.get())->vmm_version, kOldest);
  const bool has_names = version >= Version{53, 0};
  vm_config = R"({"platform":{"serial_number":"qarax-1")";
  if (has_names) vm_config += R"(,"system_product_name":"a test")";
  vm_config += R"(},"balloon":{"size":16777216,"deflate_on_oom":true,"free_page_reporting":true})";
  if (version >= Version{52, 0}) vm_config += R"(,"cpus":{"core_scheduling":"Off"})";
  if (has_names) vm_config += R"(,"memory":{"reserve":true},"rtc":{})";
  vm_config += R"(,"console":{"mode":"Null"}})";
  ASSERT_NO_FATAL_FAILURE(boot_guest());
  EXPECT_TRUE(says("cat /sys/class/dmi/id/product_serial", "qarax-1"));
  if (has_names) {
    EXPECT_TRUE(says("cat /sys/class/dmi/id/product_name", "a test"));
  }
  EXPECT_TRUE(says("cat /sys/bus/pci/devices/*/device", "0x1045")) << "a virtio balloon";
}

TEST_F(RealGuest, AKernelThatCanNotBeBootedIsNamed) {
  a_kernel_that_can_not_be_booted_is_named();
  const std::string evidence = evidence_with(boot.kernel, dir() + "/gone");
  EXPECT_NE(evidence.find("the trial's initramfs " + dir() + "/gone can't be loaded"), std::string::npos) << evidence;
}

}  // namespace
}  // namespace qarax::cloud_hypervisor
