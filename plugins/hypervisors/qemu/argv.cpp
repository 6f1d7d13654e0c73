#include "argv.hpp"

#include <algorithm>

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

}  // namespace

Result<VmOptions> vm_options(const VmSpec& spec) {
  if (spec.config.text == "null") return VmOptions{};
  auto options = decode<VmOptions>(std::string_view(spec.config.text));
  if (!options) {
    for (auto& detail : options.error().details) detail.pointer.insert(0, "/config");
    return std::move(options).error();
  }
  // Letters, digits and the marks of QEMU's model names: nothing that starts a suboption or an option.
  if (options->cpu.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+=,") !=
          std::string::npos ||
      options->cpu.starts_with("-")) {
    Error error = make_error(Code::invalid_argument, "config.cpu isn't a CPU model: " + options->cpu, "validation");
    error.details.push_back({"/config/cpu", "isn't a CPU model"});
    return error;
  }
  return options;
}

std::vector<ErrorDetail> unsupported(const VmSpec& spec, const std::string& accelerator) {
  std::vector<ErrorDetail> out;
  if (spec.kvm_hyperv && accelerator != "kvm")
    out.push_back({"/kvm_hyperv", "needs KVM; this host runs QEMU with " + accelerator});
  if (spec.memory_hotplug_size && *spec.memory_hotplug_size > 0)
    out.push_back({"/memory_hotplug_size", "the qemu plugin can't add memory to a running VM"});
  if (spec.memory_size % 4096 != 0) out.push_back({"/memory_size", "must be a multiple of 4096 bytes"});
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
  if (input.sandbox) add({"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});

  const bool backend = spec.memory_shared || spec.memory_hugepages || spec.memory_mergeable || spec.memory_prefault;
  std::string machine = input.machine + ",accel=" + input.accelerator + ",vmport=off,dump-guest-core=off";
  if (!spec.memory_mergeable) machine += ",mem-merge=off";
  if (backend) machine += ",memory-backend=ram0";
  add({"-machine", machine});
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
