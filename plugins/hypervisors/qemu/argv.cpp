#include "argv.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace qarax::qemu {

namespace {

// A comma ends a suboption in QEMU's syntax; a doubled comma is a literal one.
std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    out.push_back(c);
    if (c == ',') out.push_back(',');
  }
  return out;
}

std::string smp(const VmSpec& spec, std::int32_t vcpus) {
  const std::int32_t most = std::max(spec.max_vcpus, spec.boot_vcpus);
  std::string out = std::to_string(vcpus);
  if (most > vcpus) out += ",maxcpus=" + std::to_string(most);
  if (spec.cpu_topology) {
    const CpuTopology& t = *spec.cpu_topology;
    out += ",sockets=" + std::to_string(t.packages) + ",dies=" + std::to_string(t.dies_per_package) +
           ",cores=" + std::to_string(t.cores_per_die) + ",threads=" + std::to_string(t.threads_per_core);
  }
  return out;
}

Error not_an_option(const char* pointer, std::string why) {
  Error error = make_error(Code::invalid_argument, std::string(pointer).substr(1) + " " + why, "validation");
  error.details.push_back({pointer, std::move(why)});
  return error;
}

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool is_machine(const std::string& name) {
  if (name == "q35" || name == "pc") return true;
  if (!name.starts_with("pc-q35-") && !name.starts_with("pc-i440fx-")) return false;
  return name.find_first_not_of(std::string(kLetters) + "-_.") == std::string::npos;
}

// Checks memory_hugepages and memory_hugepage_size against what the host has.
void check_huge_pages(const VmSpec& spec, const HugePages& host, std::vector<ErrorDetail>& out) {
  if (!spec.memory_hugepages) {
    if (spec.memory_hugepage_size) out.push_back({"/memory_hugepage_size", "means nothing without memory_hugepages"});
    return;
  }
  if (host.empty()) {
    out.push_back({"/memory_hugepages", "this host's kernel has no huge pages"});
    return;
  }
  // Without a size QEMU uses the kernel's default, which is the smallest size on x86.
  const std::int64_t size = spec.memory_hugepage_size.value_or(host.begin()->first);
  const auto found = host.find(size);
  if (found == host.end()) {
    std::string sizes;
    for (const auto& [bytes, pages] : host) sizes += (sizes.empty() ? "" : ", ") + std::to_string(bytes);
    out.push_back(
        {"/memory_hugepage_size", "this host has huge pages of " + sizes + " bytes, not " + std::to_string(size)});
    return;
  }
  if (spec.memory_size % size != 0)
    out.push_back({"/memory_size", "must be a multiple of the huge page size, " + std::to_string(size)});
  else if (found->second < spec.memory_size / size)
    out.push_back({"/memory_hugepages", "the VM needs " + std::to_string(spec.memory_size / size) + " huge pages of " +
                                            std::to_string(size) + " bytes and this host has " +
                                            std::to_string(found->second) +
                                            "; raise vm.nr_hugepages on the host (sysctl)"});
}

bool is_q35(const std::string& machine) { return machine.starts_with("q35") || machine.starts_with("pc-q35"); }

// Converts arguments of object-add into the form of -object. All numbers here are sizes.
std::string as_option(const json::Object& object) {
  std::string out;
  for (const auto& [key, value] : object) {
    if (!out.empty()) out += "," + key + "=";
    if (const auto* text = value.as_string())
      out += *text;
    else if (const auto* number = value.as_int())
      out += std::to_string(*number) + "B";
    else
      out += *value.as_bool() ? "on" : "off";
  }
  return out;
}

}  // namespace

json::Object memory_backend(const VmSpec& spec, const std::string& id, std::int64_t size) {
  // memfd supports both shared memory and huge pages, without a mounted hugetlbfs.
  const bool memfd = spec.memory_shared || spec.memory_hugepages;
  json::Object out{{"qom-type", json::Value(memfd ? "memory-backend-memfd" : "memory-backend-ram")},
                   {"id", json::Value(id)},
                   {"size", json::Value(size)}};
  if (spec.memory_shared) out.emplace_back("share", json::Value(true));
  if (spec.memory_hugepages) {
    out.emplace_back("hugetlb", json::Value(true));
    if (spec.memory_hugepage_size) out.emplace_back("hugetlbsize", json::Value(*spec.memory_hugepage_size));
  }
  if (spec.memory_mergeable) out.emplace_back("merge", json::Value(true));
  if (spec.memory_prefault) out.emplace_back("prealloc", json::Value(true));
  return out;
}

std::string memory_id(const std::string& dimm) { return "memory-" + dimm; }

std::string hotplug_bus(const std::string& machine, bool has_bridge) {
  if (!is_q35(machine)) return "pci.0";
  return has_bridge ? kBridge : "";
}

HugePages look_at_huge_pages(const std::string& folder) {
  HugePages out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();  // e.g. hugepages-2048kB
    constexpr std::string_view kPrefix = "hugepages-";
    if (!name.starts_with(kPrefix)) continue;
    const std::int64_t kib = std::strtoll(name.c_str() + kPrefix.size(), nullptr, 10);
    std::int64_t pages = 0;
    for (const char* file : {"nr_hugepages", "nr_overcommit_hugepages"}) {
      std::int64_t one = 0;
      std::ifstream(entry.path() / file) >> one;
      pages += one;
    }
    if (kib > 0) out[kib * 1024] = pages;
  }
  return out;
}

Result<VmOptions> vm_options(const VmSpec& spec) {
  if (spec.config.text == "null") return VmOptions{};
  auto options = decode<VmOptions>(std::string_view(spec.config.text));
  if (!options) {
    for (auto& detail : options.error().details) detail.pointer.insert(0, "/config");
    return std::move(options).error();
  }
  // Only letters, digits and the punctuation of QEMU's model names and flags, so that it can't become another option.
  if (options->cpu.find_first_not_of(std::string(kLetters) + "-_.+=,") != std::string::npos ||
      options->cpu.starts_with("-") || options->cpu.starts_with(","))
    return not_an_option("/config/cpu", "isn't a CPU model: " + options->cpu);
  if (!options->machine.empty() && !is_machine(options->machine))
    return not_an_option("/config/machine", "isn't q35, pc or a version of one: " + options->machine);
  return options;
}

std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator, const HugePages& huge_pages) {
  std::vector<ErrorDetail> out;
  const std::int32_t most = std::max(spec.max_vcpus, spec.boot_vcpus);
  if (most > kMaxVcpus)
    out.push_back({"/max_vcpus", "QEMU's machines take at most " + std::to_string(kMaxVcpus) + " vCPUs"});
  if (spec.cpu_topology) {
    const CpuTopology& t = *spec.cpu_topology;
    const std::int64_t product =
        std::int64_t{t.packages} * t.dies_per_package * std::int64_t{t.cores_per_die} * t.threads_per_core;
    if (product != most)
      out.push_back({"/cpu_topology", "makes " + std::to_string(product) + " vCPUs; it must be max_vcpus, which is " +
                                          std::to_string(most)});
  }
  if (spec.kvm_hyperv && accelerator != "kvm")
    out.push_back({"/kvm_hyperv", "needs KVM; this host runs QEMU with " + accelerator});
  if (spec.memory_hotplug_size.value_or(0) % kMemoryStep != 0)
    out.push_back(
        {"/memory_hotplug_size", "must be a multiple of " + std::to_string(kMemoryStep) + " bytes (128 MiB)"});
  if (spec.memory_size % 4096 != 0) out.push_back({"/memory_size", "must be a multiple of 4096 bytes"});
  check_huge_pages(spec, huge_pages, out);
  return out;
}

std::vector<std::string> build_argv(const ArgvInput& input, const StartArgs& args, const VmOptions& options) {
  const VmSpec& spec = args.spec;
  const std::string bytes = std::to_string(spec.memory_size) + "B";
  std::vector<std::string> argv = {
      input.binary,
      "-name",
      "guest=" + escaped(args.name.empty() ? args.vm : args.name) + ",process=qemu-" + args.vm.substr(0, 8),
      "-uuid",
      args.vm,
      "-S",
      "-no-user-config",
      "-nodefaults",
      "-display",
      "none",
      "-vga",
      "none",
      "-nic",
      "none"};
  const auto add = [&](std::initializer_list<std::string> more) { argv.insert(argv.end(), more); };
  if (input.sandbox) add({"-sandbox", std::string(kSandbox)});

  const bool backend = spec.memory_shared || spec.memory_hugepages || spec.memory_mergeable || spec.memory_prefault;
  std::string machine = (options.machine.empty() ? input.machine : options.machine) + ",vmport=off,dump-guest-core=off";
  if (!spec.memory_mergeable) machine += ",mem-merge=off";
  if (backend) machine += ",memory-backend=ram0";
  add({"-machine", machine});
  std::string accelerator = input.accelerator;
  if (accelerator == "tcg" && input.tcg_tb_size_mib)
    accelerator += ",tb-size=" + std::to_string(*input.tcg_tb_size_mib);
  add({"-accel", accelerator});
  std::string cpu = options.cpu.empty() ? (input.accelerator == "kvm" ? "host" : "max") : options.cpu;
  if (spec.kvm_hyperv)
    cpu += ",hv-relaxed,hv-vapic,hv-spinlocks=0x1fff,hv-time,hv-vpindex,hv-runtime,hv-synic,hv-stimer,hv-reset";
  const std::int32_t vcpus = input.frozen ? input.frozen->vcpus : spec.boot_vcpus;
  std::string memory = "size=" + bytes;
  if (const std::int64_t more = spec.memory_hotplug_size.value_or(0); more > 0)
    memory += ",slots=" + std::to_string(kMemorySlots) + ",maxmem=" + std::to_string(spec.memory_size + more) + "B";
  add({"-cpu", cpu, "-smp", smp(spec, vcpus), "-m", memory});
  if (backend) add({"-object", as_option(memory_backend(spec, "ram0", spec.memory_size))});
  if (input.frozen)
    for (const Dimm& dimm : input.frozen->dimms)
      add({"-object", as_option(memory_backend(spec, memory_id(dimm.id), dimm.size)), "-device",
           "pc-dimm,id=" + dimm.id + ",memdev=" + memory_id(dimm.id) + ",addr=" + std::to_string(dimm.address)});
  if (options.hotplug.value_or(false) && is_q35(machine))
    add({"-device", std::string("pcie-pci-bridge,id=") + kBridge});
  add({"-kernel", args.boot.kernel_pvh.empty() ? args.boot.kernel : args.boot.kernel_pvh});
  if (!args.boot.initramfs.empty()) add({"-initrd", args.boot.initramfs});
  if (!args.boot.cmdline.empty()) add({"-append", args.boot.cmdline});
  add({"-chardev", "socket,id=serial0,fd=" + std::to_string(input.serial_fd) + ",server=on,wait=off", "-serial",
       "chardev:serial0"});
  add({"-chardev", "socket,id=monitor0,fd=" + std::to_string(input.monitor_fd) + ",server=on,wait=off", "-mon",
       "chardev=monitor0,mode=control"});
  if (input.frozen) add({"-incoming", "defer"});
  return argv;
}

}  // namespace qarax::qemu
