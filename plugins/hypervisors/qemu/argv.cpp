#include "argv.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace qarax::qemu {

namespace {

// A comma ends a suboption in QEMU's syntax; doubled it stands for itself.
std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    out.push_back(c);
    if (c == ',') out.push_back(',');
  }
  return out;
}

std::string smp(const VmSpec& spec) {
  const std::int32_t most = std::max(spec.max_vcpus, spec.boot_vcpus);
  std::string out = std::to_string(spec.boot_vcpus);
  if (most > spec.boot_vcpus) out += ",maxcpus=" + std::to_string(most);
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

// "/memory_hugepages" and its size, against what the host has.
void check_huge_pages(const VmSpec& spec, const HugePages& host, std::vector<ErrorDetail>& out) {
  if (!spec.memory_hugepages) {
    if (spec.memory_hugepage_size) out.push_back({"/memory_hugepage_size", "means nothing without memory_hugepages"});
    return;
  }
  if (host.empty()) {
    out.push_back({"/memory_hugepages", "this host's kernel has no huge pages"});
    return;
  }
  // Without a size QEMU takes the kernel's default, which is the smallest there is on x86.
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

}  // namespace

HugePages look_at_huge_pages(const std::string& folder) {
  HugePages out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();  // hugepages-2048kB
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
  // Letters, digits and the marks of QEMU's model names and flags: nothing that could be an option of its own.
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
  if (spec.memory_hotplug_size && *spec.memory_hotplug_size > 0)
    out.push_back({"/memory_hotplug_size", "the qemu plugin can't add memory to a running VM"});
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
  add({"-cpu", cpu, "-smp", smp(spec), "-m", "size=" + bytes});
  if (backend) {
    // memfd carries shared and huge pages alike, without a mounted hugetlbfs.
    std::string object = (spec.memory_shared || spec.memory_hugepages) ? "memory-backend-memfd" : "memory-backend-ram";
    object += ",id=ram0,size=" + bytes;
    if (spec.memory_shared) object += ",share=on";
    if (spec.memory_hugepages)
      object += ",hugetlb=on" + (spec.memory_hugepage_size
                                     ? ",hugetlbsize=" + std::to_string(*spec.memory_hugepage_size) + "B"
                                     : std::string());
    if (spec.memory_mergeable) object += ",merge=on";
    if (spec.memory_prefault) object += ",prealloc=on";
    add({"-object", object});
  }
  add({"-kernel", args.boot.kernel_pvh.empty() ? args.boot.kernel : args.boot.kernel_pvh});
  if (!args.boot.initramfs.empty()) add({"-initrd", args.boot.initramfs});
  if (!args.boot.cmdline.empty()) add({"-append", args.boot.cmdline});
  add({"-chardev", "socket,id=serial0,fd=" + std::to_string(input.serial_fd) + ",server=on,wait=off", "-serial",
       "chardev:serial0"});
  add({"-chardev", "socket,id=monitor0,fd=" + std::to_string(input.monitor_fd) + ",server=on,wait=off", "-mon",
       "chardev=monitor0,mode=control"});
  return argv;
}

}  // namespace qarax::qemu
