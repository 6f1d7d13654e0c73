#include "vm_config.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "qarax/plugin/json.hpp"

namespace qarax::cloud_hypervisor {
namespace {

// QARAX_REGENERATE=1 writes the golden files instead of comparing; look at the diff before you commit it.
void golden(const std::string& name, const std::string& json) {
  const std::string path = std::string(CLOUD_HV_TESTDATA) + "/" + name + ".json";
  // One member a line, so that a diff shows what changed.
  std::string text;
  for (const char c : json) {
    text.push_back(c);
    if (c == ',' || c == '{') text.push_back('\n');
  }
  text.push_back('\n');
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
  args.spec.memory_size = 128 << 20;
  args.run_dir = "/run/vm";
  args.boot = {"/images/bz", "/images/bz.pvh", "/images/initramfs", "console=ttyS0 reboot=k panic=1"};
  return args;
}

TEST(VmConfig, Defaults) { golden("defaults", build_vm_config(start_args(), {}, {53, 0}, "serial.sock")); }

TEST(VmConfig, TheOlderVersionHasTheOlderName) {
  auto args = start_args();
  args.boot.kernel_pvh.clear();
  args.boot.initramfs.clear();
  golden("v44_bzimage", build_vm_config(args, {}, {44, 0}, "serial.sock"));
}

// All of it that one VM can have at once.
StartArgs everything() {
  auto args = start_args();
  VmSpec& spec = args.spec;
  spec.boot_vcpus = 2;
  spec.max_vcpus = 8;
  spec.cpu_topology = CpuTopology{2, 2, 1, 2};
  spec.kvm_hyperv = spec.memory_shared = spec.memory_hugepages = true;
  spec.memory_prefault = spec.memory_thp = true;
  spec.memory_hugepage_size = 2 << 20;
  spec.memory_hotplug_size = 1LL << 30;
  spec.config.text = R"({"cpus":{"max_phys_bits":40,"nested":false,"affinity":[{"vcpu":0,"host_cpus":[1]}],)"
                     R"("features":{"amx":true},"core_scheduling":"Vcpu"},)"
                     R"("memory":{"hotplug_method":"VirtioMem","reserve":true},)"
                     R"("platform":{"oem_strings":["a"],"system_manufacturer":"b","system_product_name":"c",)"
                     R"("system_version":"d","system_family":"e","system_sku_number":"f","chassis_asset_tag":"g",)"
                     R"("iommu_address_width_bits":48},)"
                     R"("rng":{"iommu":true},"console":{"mode":"Null","iommu":true},)"
                     R"("balloon":{"size":1048576,"deflate_on_oom":true,"free_page_reporting":true,"iommu":true},)"
                     R"("rtc":{},"iommu":true,"watchdog":true})";
  return args;
}

void golden_everything(const std::string& name, const StartArgs& args, const Version& version) {
  for (const ErrorDetail& problem : unsupported(args.spec, version)) ADD_FAILURE() << problem.pointer << problem.detail;
  Settings settings;
  settings.landlock = true;
  golden(name, build_vm_config(args, settings, version, "serial.sock"));
}

TEST(VmConfig, EveryFieldOfTheSpecArrives) { golden_everything("everything", everything(), {53, 0}); }

TEST(VmConfig, EveryFieldThatTheOldestVersionTakesArrives) {
  auto args = everything();
  // What newer ones refuse.
  args.spec.memory_mergeable = true;
  args.spec.cpu_topology = CpuTopology{4, 2, 1, 1};
  args.spec.config.text = R"({"cpus":{"max_phys_bits":40,"affinity":[{"vcpu":0,"host_cpus":[1]}],)"
                          R"("features":{"amx":true}},"memory":{"hotplug_method":"VirtioMem"},)"
                          R"("platform":{"oem_strings":["a"],"iommu_address_width_bits":48},)"
                          R"("console":{"iommu":true},"balloon":{"free_page_reporting":true},)"
                          R"("iommu":true,"watchdog":true,"pvpanic":true})";
  golden_everything("v44_everything", args, {44, 0});
}

TEST(VmConfig, WhatAVersionRefusesIsToldBeforeItIsStarted) {
  const auto pointers = [](const VmSpec& spec, const Version& version) {
    std::string out;
    for (const auto& problem : unsupported(spec, version)) out += problem.pointer + " ";
    return out;
  };
  VmSpec spec = everything().spec;
  spec.config.text = "null";
  spec.memory_mergeable = true;
  spec.cpu_topology = CpuTopology{4, 2, 1, 1};
  EXPECT_EQ(pointers(spec, {51, 1}), "");
  EXPECT_EQ(pointers(spec, {52, 0}), "/cpu_topology/threads_per_core /memory_mergeable ");
  EXPECT_NE(unsupported(spec, {53, 0}).back().detail.find("v53.0"), std::string::npos);
  spec.memory_mergeable = false;
  // 8 × 8 × 4 × 1 is 256, which is 0 in the older ones' 8 bits.
  spec.cpu_topology = CpuTopology{8, 8, 4, 1};
  EXPECT_EQ(pointers(spec, {44, 0}), "/cpu_topology ");
  spec.cpu_topology.reset();
  spec.memory_hugepages = false;
  EXPECT_EQ(pointers(spec, {44, 0}), "/memory_hugepage_size ");
  spec.memory_hugepages = true;
  spec.memory_hugepage_size = 3 << 20;
  EXPECT_EQ(pointers(spec, {53, 0}), "/memory_hugepage_size ");
}

TEST(VmConfig, WhatIsNotAllowedIsRefusedWithItsPointer) {
  const auto pointer = [](const std::string& config) {
    VmSpec spec;
    spec.config.text = config;
    const auto problems = unsupported(spec, {53, 0});
    return problems.empty() ? std::string() : problems.front().pointer;
  };
  EXPECT_EQ(pointer(R"({"disks":[{"path":"/etc/shadow"}]})"), "/config/disks");
  EXPECT_EQ(pointer(R"({"serial":{"mode":"File"}})"), "/config/serial");
  EXPECT_EQ(pointer(R"({"console":{"mode":"File"}})"), "/config/console/mode");
  EXPECT_EQ(pointer(R"({"console":{"mode":"Off","file":"/etc/passwd"}})"), "/config/console/file");
  EXPECT_EQ(pointer(R"({"rng":{"src":"/etc/shadow"}})"), "/config/rng/src");
  EXPECT_EQ(pointer(R"({"cpus":{"boot_vcpus":9}})"), "/config/cpus/boot_vcpus");
  EXPECT_EQ(pointer(R"({"cpus":{"nested":1}})"), "/config/cpus/nested");
  EXPECT_EQ(pointer(R"({"memory":{"hotplug_method":"acpi"}})"), "/config/memory/hotplug_method");
  EXPECT_EQ(pointer(R"({"payload":{"kernel":"/x"}})"), "/config/payload");
  EXPECT_EQ(pointer(R"({"cpus":{"features":{"amx":1}}})"), "/config/cpus/features");
  EXPECT_EQ(pointer(R"({"cpus":{"features":{"sgx":true}}})"), "/config/cpus/features");
  EXPECT_EQ(pointer(R"({"cpus":{"core_scheduling":"vm"}})"), "/config/cpus/core_scheduling");
  EXPECT_EQ(pointer(R"({"platform":{"uuid":"x"}})"), "/config/platform/uuid");
  EXPECT_EQ(pointer(R"({"platform":{"iommufd":true}})"), "/config/platform/iommufd");
  EXPECT_EQ(pointer(R"({"platform":{"iommu_address_width_bits":0}})"), "/config/platform/iommu_address_width_bits");
  EXPECT_EQ(pointer(R"({"platform":{"iommu_address_width_bits":65}})"), "/config/platform/iommu_address_width_bits");
  EXPECT_EQ(pointer(R"({"balloon":{"size":-1}})"), "/config/balloon/size");
  EXPECT_EQ(pointer(R"({"balloon":{"id":"x"}})"), "/config/balloon/id");
  EXPECT_EQ(pointer(R"({"balloon":1})"), "/config/balloon");
  EXPECT_EQ(pointer(R"({"rtc":{"pci_segment":1}})"), "/config/rtc/pci_segment");
  EXPECT_EQ(pointer(R"({"numa":[]})"), "/config/numa");
  EXPECT_EQ(pointer(R"([])"), "/config");
  EXPECT_EQ(pointer("null"), "");
}

TEST(VmConfig, ABalloonLeavesTheGuestSomething) {
  VmSpec spec;
  spec.memory_size = 128 << 20;
  spec.config.text = R"({"balloon":{"size":134217727}})";
  EXPECT_TRUE(unsupported(spec, {44, 0}).empty());
  spec.config.text = R"({"balloon":{"size":134217728}})";
  const auto problems = unsupported(spec, {44, 0});
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].pointer, "/config/balloon/size");
  EXPECT_EQ(problems[0].detail, "must be less than memory_size, which is 134217728 bytes");
}

TEST(VmConfig, AnAffinityThatItCanNotTakeIsRefused) {
  const auto refused = [](const std::string& cpus) {
    VmSpec spec;
    spec.config.text = R"({"cpus":)" + cpus + "}";
    return !unsupported(spec, {53, 0}).empty();
  };
  const auto affinity = [](const std::string& vcpu, const std::string& host_cpus) {
    return R"({"affinity":[{"vcpu":)" + vcpu + R"(,"host_cpus":)" + host_cpus + "}]}";
  };
  EXPECT_FALSE(refused(affinity("253", "[0,1023]")));
  for (const char* vcpu : {"-1", "254", "256", "\"0\""}) EXPECT_TRUE(refused(affinity(vcpu, "[0]"))) << vcpu;
  for (const char* cpus : {"[1024]", "[-1]", "[]", "0"}) EXPECT_TRUE(refused(affinity("0", cpus))) << cpus;
  EXPECT_FALSE(refused(R"({"max_phys_bits":255})"));
  EXPECT_TRUE(refused(R"({"max_phys_bits":256})"));
  const std::string schema = vm_options_schema({53, 0});
  EXPECT_NE(schema.find(R"("minimum":0,"maximum":253)"), std::string::npos) << schema;
  EXPECT_NE(schema.find(R"("minimum":0,"maximum":1023)"), std::string::npos) << schema;
  EXPECT_NE(schema.find(R"("minimum":0,"maximum":255)"), std::string::npos) << schema;
}

TEST(VmConfig, AnOptionThatAVersionLacksIsRefusedAndNotInItsSchema) {
  VmSpec spec;
  spec.config.text = R"({"cpus":{"nested":false}})";
  EXPECT_TRUE(unsupported(spec, {50, 0}).empty());
  const auto problems = unsupported(spec, {49, 0});
  ASSERT_EQ(problems.size(), 1u) << "v49.0 would drop it silently";
  EXPECT_EQ(problems[0].pointer, "/config/cpus/nested");
  EXPECT_EQ(problems[0].detail, "needs Cloud Hypervisor v50.0; this node has v49.0");
  const auto has = [](const Version& version, const char* section, const char* member) {
    const auto schema = json::parse(vm_options_schema(version));
    EXPECT_TRUE(schema) << vm_options_schema(version);
    const json::Value* at = schema ? schema->find("properties") : nullptr;
    if (at != nullptr && *section != '\0') at = at->find(section)->find("properties");
    return at != nullptr && at->find(member) != nullptr;
  };
  EXPECT_TRUE(has({50, 0}, "cpus", "nested"));
  EXPECT_FALSE(has({44, 0}, "cpus", "nested"));
  for (const Version version : {kOldest, kNewest}) {
    EXPECT_TRUE(has(version, "cpus", "affinity"));
    EXPECT_TRUE(has(version, "memory", "hotplug_method"));
    EXPECT_TRUE(has(version, "cpus", "features"));
    EXPECT_TRUE(has(version, "platform", "serial_number"));
    EXPECT_TRUE(has(version, "balloon", "size"));
    EXPECT_TRUE(has(version, "console", "iommu"));
    EXPECT_TRUE(has(version, "", "watchdog"));
    EXPECT_TRUE(has(version, "", "pvpanic"));
  }
}

TEST(VmConfig, EachOptionHasTheVersionThatItCameWith) {
  struct Case {
    const char* config;
    const char* pointer;
    Version before;
    Version since;
  };
  const Version v51{51, 2};
  const Version v52{52, 0};
  const Version v53{53, 0};
  for (const Case& one :
       {Case{R"({"cpus":{"core_scheduling":"Off"}})", "/config/cpus/core_scheduling", v51, v52},
        Case{R"({"memory":{"reserve":true}})", "/config/memory/reserve", v52, v53},
        Case{R"({"platform":{"system_manufacturer":"a"}})", "/config/platform/system_manufacturer", v52, v53},
        Case{R"({"platform":{"system_product_name":"a"}})", "/config/platform/system_product_name", v52, v53},
        Case{R"({"platform":{"system_version":"a"}})", "/config/platform/system_version", v52, v53},
        Case{R"({"platform":{"system_family":"a"}})", "/config/platform/system_family", v52, v53},
        Case{R"({"platform":{"system_sku_number":"a"}})", "/config/platform/system_sku_number", v52, v53},
        Case{R"({"platform":{"chassis_asset_tag":"a"}})", "/config/platform/chassis_asset_tag", v52, v53},
        Case{R"({"balloon":{"iommu":true}})", "/config/balloon/iommu", v52, v53},
        Case{R"({"rtc":{}})", "/config/rtc", v52, v53}}) {
    VmSpec spec;
    spec.config.text = one.config;
    EXPECT_TRUE(unsupported(spec, one.since).empty()) << one.config;
    const auto problems = unsupported(spec, one.before);
    ASSERT_EQ(problems.size(), 1u) << one.config;
    EXPECT_EQ(problems[0].pointer, one.pointer);
    EXPECT_EQ(problems[0].detail,
              "needs Cloud Hypervisor " + to_string(one.since) + "; this node has " + to_string(one.before));
  }
  EXPECT_EQ(vm_options_schema(v52).find("\"rtc\""), std::string::npos) << "a section without a member";
  EXPECT_NE(vm_options_schema(v53).find("\"rtc\""), std::string::npos);
}

TEST(VmConfig, NoMemoryToPlugIsLeftOut) {
  auto args = start_args();
  args.spec.memory_hotplug_size = 0;
  EXPECT_TRUE(unsupported(args.spec, {53, 0}).empty());
  EXPECT_EQ(build_vm_config(args, {}, {53, 0}, "serial.sock").find("hotplug_size"), std::string::npos)
      << "it refuses a 0";
}

TEST(VmConfig, MemoryIsWholePages) {
  const auto pointer = [](const VmSpec& spec) {
    const auto problems = unsupported(spec, {53, 0});
    return problems.empty() ? std::string() : problems.front().pointer;
  };
  VmSpec spec;
  spec.memory_size = (128 << 20) + 4096;
  EXPECT_EQ(pointer(spec), "");
  spec.memory_hugepages = true;
  EXPECT_EQ(pointer(spec), "/memory_size");
  spec.memory_size = 130 << 20;
  EXPECT_EQ(pointer(spec), "");
  spec.memory_hugepage_size = 1 << 30;
  EXPECT_EQ(pointer(spec), "/memory_size");
  spec.memory_hugepage_size.reset();
  spec.memory_hugepages = false;
  spec.memory_size = (128 << 20) + 512;
  EXPECT_EQ(pointer(spec), "/memory_size");
}

TEST(VmConfig, LimitsAreTold) {
  VmSpec spec;
  spec.max_vcpus = 255;
  EXPECT_EQ(unsupported(spec, {53, 0}).front().pointer, "/max_vcpus");
  spec.max_vcpus = 1;
  spec.memory_hotplug_size = 1 << 20;
  EXPECT_EQ(unsupported(spec, {53, 0}).front().pointer, "/memory_hotplug_size");
}

TEST(Argv, SeccompIsASetting) {
  Settings settings;
  settings.seccomp = Seccomp::log;
  const std::vector<std::string> expected{"/bin/ch", "--api-socket", "fd=10", "--seccomp", "log"};
  EXPECT_EQ(build_argv("/bin/ch", settings, 10), expected);
}

TEST(Version, IsReadFromWhatTheProgramSays) {
  EXPECT_EQ(version_in("cloud-hypervisor v53.0\n"), (Version{53, 0}));
  EXPECT_EQ(version_in("cloud-hypervisor v44.1-dirty"), (Version{44, 1}));
  EXPECT_EQ(version_in("bash: no such file"), std::nullopt);
}

}  // namespace
}  // namespace qarax::cloud_hypervisor
