#include "argv.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "temp_folder.hpp"

namespace qarax::qemu {
namespace {

// QARAX_REGENERATE=1 writes the golden files instead of comparing them; review the diff before committing it.
void golden(const std::string& name, const std::vector<std::string>& argv) {
  const std::string path = std::string(QEMU_TESTDATA) + "/" + name + ".argv";
  std::string text;
  for (const auto& arg : argv) text += arg + "\n";
  if (std::getenv("QARAX_REGENERATE") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is missing; make it with QARAX_REGENERATE=1";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path;
}

StartArgs start_args() {
  StartArgs args;
  args.vm = "123e4567-e89b-42d3-a456-426614174000";
  args.name = "web,one";
  args.incarnation = 1;
  args.spec.memory_size = 128 << 20;
  args.boot = {"/images/bz", "/images/bz.pvh", "/images/initramfs", "console=ttyS0 reboot=k panic=1"};
  args.run_dir = "/run";
  return args;
}
ArgvInput input() {
  ArgvInput out;
  out.binary = "/usr/bin/qemu-system-x86_64";
  out.accelerator = "tcg";
  out.machine = "q35";
  out.monitor_fd = 10;
  out.serial_fd = 11;
  return out;
}

TEST(Argv, Defaults) { golden("defaults", build_argv(input(), start_args(), {})); }

TEST(Argv, BzImageUnderKvmWithoutSandbox) {
  auto args = start_args();
  args.boot.kernel_pvh.clear();
  args.boot.initramfs.clear();
  auto in = input();
  in.accelerator = "kvm";
  in.sandbox = false;
  golden("bzimage_kvm", build_argv(in, args, {}));
}

TEST(Argv, EveryMemoryAndCpuOption) {
  auto args = start_args();
  args.spec.boot_vcpus = 2;
  args.spec.max_vcpus = 8;
  args.spec.cpu_topology = CpuTopology{2, 2, 1, 2};
  args.spec.memory_shared = args.spec.memory_hugepages = args.spec.memory_mergeable = args.spec.memory_prefault = true;
  args.spec.memory_hugepage_size = 2 << 20;
  args.spec.kvm_hyperv = true;
  auto in = input();
  in.accelerator = "kvm";
  golden("everything", build_argv(in, args, {"Skylake-Server", ""}));
}

TEST(Argv, TheVmsOwnMachineAndTheNodesTranslationCache) {
  auto in = input();
  in.tcg_tb_size_mib = 64;
  VmOptions options;
  options.machine = "pc-q35-7.2";
  golden("own_machine", build_argv(in, start_args(), options));
}

TEST(Argv, RoomForMoreAndABridge) {
  auto args = start_args();
  args.spec.max_vcpus = 4;
  args.spec.memory_hotplug_size = 1 << 30;
  VmOptions options;
  options.machine = "pc-q35-7.2";
  options.hotplug = true;
  golden("hotplug", build_argv(input(), args, options));
  options.machine = "pc";
  const auto pc = build_argv(input(), args, options);
  EXPECT_EQ(std::count(pc.begin(), pc.end(), "-device"), 0) << "its root bus takes devices as it is";
  EXPECT_EQ(hotplug_bus("pc-i440fx-7.2", false), "pci.0");
  EXPECT_EQ(hotplug_bus("pc-q35-7.2", true), "hotplug");
  EXPECT_EQ(hotplug_bus("q35", false), "");
}

TEST(Argv, AFrozenMachineIsTheOneThatWasFrozen) {
  auto args = start_args();
  args.spec.max_vcpus = 4;
  args.spec.memory_hotplug_size = 1 << 30;
  args.spec.memory_shared = true;
  auto in = input();
  in.frozen = Frozen{3, {{"dimm-0", 128 << 20, 0x140000000}, {"dimm-2", 256 << 20, 0x180000000}}};
  VmOptions options;
  options.hotplug = true;
  golden("frozen", build_argv(in, args, options));
}

TEST(VmOptions, OnlyWhatIsListed) {
  VmSpec spec;
  spec.config.text = R"({"cpu":"EPYC-v4,+x2apic","machine":"pc-q35-7.2"})";
  EXPECT_EQ(vm_options(spec)->cpu, "EPYC-v4,+x2apic");
  EXPECT_EQ(vm_options(spec)->machine, "pc-q35-7.2");
  for (const char* bad :
       {R"({"kernel":"/etc/shadow"})", R"({"cpu":"-drive"})", R"({"cpu":"x;y"})", R"([])", R"({"machine":"none"})",
        R"({"machine":"pc-q35-7.2,accel=kvm"})", R"({"machine":"microvm"})"}) {
    spec.config.text = bad;
    const auto options = vm_options(spec);
    ASSERT_FALSE(options) << bad;
    EXPECT_TRUE(options.error().details.at(0).pointer.starts_with("/config")) << bad;
  }
}

std::vector<std::string> pointers(const VmSpec& spec, const std::string& accelerator, const HugePages& pages) {
  std::vector<std::string> out;
  for (const auto& detail : unsupported(spec, accelerator, pages)) out.push_back(detail.pointer);
  return out;
}
using Pointers = std::vector<std::string>;

TEST(Unsupported, EachWithItsPointer) {
  VmSpec spec;
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{});
  spec.kvm_hyperv = true;
  EXPECT_EQ(pointers(spec, "kvm", {}), Pointers{});
  spec.memory_hotplug_size = 1 << 20;
  spec.memory_size += 1;
  EXPECT_EQ(pointers(spec, "tcg", {}), (Pointers{"/kvm_hyperv", "/memory_hotplug_size", "/memory_size"}));
}

TEST(Unsupported, VcpusAndTopologyHaveToFit) {
  VmSpec spec;
  spec.max_vcpus = 256;
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{"/max_vcpus"});
  spec.max_vcpus = 8;
  spec.cpu_topology = CpuTopology{2, 2, 1, 2};
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{});
  spec.cpu_topology->packages = 1;
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{"/cpu_topology"});
}

TEST(Unsupported, HugePagesThatTheHostHas) {
  constexpr std::int64_t kMib = 1 << 20;
  VmSpec spec;
  spec.memory_size = 128 * kMib;
  spec.memory_hugepage_size = 2 * kMib;
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{"/memory_hugepage_size"}) << "without memory_hugepages";
  spec.memory_hugepages = true;
  EXPECT_EQ(pointers(spec, "tcg", {}), Pointers{"/memory_hugepages"});
  EXPECT_EQ(pointers(spec, "tcg", {{2 * kMib, 63}}), Pointers{"/memory_hugepages"});
  EXPECT_EQ(pointers(spec, "tcg", {{2 * kMib, 64}}), Pointers{});
  EXPECT_EQ(pointers(spec, "tcg", {{1024 * kMib, 64}}), Pointers{"/memory_hugepage_size"});
  spec.memory_hugepage_size.reset();
  EXPECT_EQ(pointers(spec, "tcg", {{2 * kMib, 64}, {1024 * kMib, 0}}), Pointers{});
  spec.memory_size += 4096;
  EXPECT_EQ(pointers(spec, "tcg", {{2 * kMib, 99}}), Pointers{"/memory_size"});
}

TEST(HugePageFolder, IsReadAsTheKernelWritesIt) {
  const TempFolder temp;
  const std::filesystem::path folder = temp.path();
  const auto two = folder / "hugepages-2048kB";
  std::filesystem::create_directories(two);
  std::filesystem::create_directories(folder / "hugepages-1048576kB");
  std::ofstream(two / "nr_hugepages") << "5\n";
  std::ofstream(two / "nr_overcommit_hugepages") << "2\n";
  EXPECT_EQ(look_at_huge_pages(folder), (HugePages{{2 << 20, 7}, {1 << 30, 0}}));
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(look_at_huge_pages(folder).empty());
}

}  // namespace
}  // namespace qarax::qemu
