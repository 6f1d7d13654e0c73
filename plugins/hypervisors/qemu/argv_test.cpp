#include "argv.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace qarax::qemu {
namespace {

// QARAX_REGENERATE=1 writes the golden files instead of comparing; look at the diff before you commit it.
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
ArgvInput input() { return {"/usr/bin/qemu-system-x86_64", "tcg", "q35", true, 10, 11}; }

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
  golden("everything", build_argv(in, args, {"Skylake-Server"}));
}

TEST(VmOptions, OnlyWhatIsListed) {
  VmSpec spec;
  spec.config.text = R"({"cpu":"EPYC-v4"})";
  EXPECT_EQ(vm_options(spec)->cpu, "EPYC-v4");
  for (const char* bad : {R"({"kernel":"/etc/shadow"})", R"({"cpu":"-drive"})", R"({"cpu":"x;y"})", R"([])"}) {
    spec.config.text = bad;
    const auto options = vm_options(spec);
    ASSERT_FALSE(options) << bad;
    EXPECT_TRUE(options.error().details.at(0).pointer.starts_with("/config")) << bad;
  }
}

TEST(Unsupported, EachWithItsPointer) {
  VmSpec spec;
  EXPECT_TRUE(unsupported(spec, "tcg").empty());
  spec.kvm_hyperv = true;
  spec.memory_hotplug_size = 1 << 20;
  spec.memory_size += 1;
  const auto problems = unsupported(spec, "tcg");
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_EQ(problems[0].pointer, "/kvm_hyperv");
  EXPECT_EQ(problems[1].pointer, "/memory_hotplug_size");
  EXPECT_EQ(problems[2].pointer, "/memory_size");
}

}  // namespace
}  // namespace qarax::qemu
