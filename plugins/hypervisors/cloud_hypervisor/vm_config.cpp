#include "vm_config.hpp"

#include <algorithm>

#include "qarax/plugin/json.hpp"

namespace qarax::cloud_hypervisor {

namespace {

using json::Object;
using json::Value;

constexpr std::int64_t kPage = 4096;
constexpr std::int64_t kHugePage = 2LL << 20;  // where none is named: the kernel's default

void check_pages(std::vector<ErrorDetail>& out, const VmSpec& spec) {
  const std::int64_t size = spec.memory_hugepage_size.value_or(kHugePage);
  if (spec.memory_hugepage_size && !spec.memory_hugepages)
    out.push_back({"/memory_hugepage_size", "means nothing without memory_hugepages"});
  else if (size <= 0 || (size & (size - 1)) != 0)
    out.push_back({"/memory_hugepage_size", "must be a power of two"});
  else if (const std::int64_t page = spec.memory_hugepages ? size : kPage; spec.memory_size % page != 0)
    out.push_back({"/memory_size", "must be a multiple of its pages, of " + std::to_string(page) + " bytes"});
}

// What `config` says of a section that has nothing else, and `otherwise` for the member that the VMM has no default
// for.
Value section_of(const Value& config, std::string_view section, std::string_view needed, Value otherwise) {
  Object out;
  add_options(out, config, section);
  const Value* given = config.find(section);
  if (given == nullptr || given->find(needed) == nullptr) out.emplace_back(std::string(needed), std::move(otherwise));
  return Value(std::move(out));
}

}  // namespace

std::vector<ErrorDetail> unsupported(const VmSpec& spec, const Version& version) {
  std::vector<ErrorDetail> out;
  const std::string vmm = "Cloud Hypervisor " + to_string(version);
  if (spec.max_vcpus > kMaxVcpus)
    out.push_back({"/max_vcpus", std::to_string(spec.max_vcpus) + " vCPUs; Cloud Hypervisor takes up to " +
                                     std::to_string(kMaxVcpus)});
  if (spec.cpu_topology) {
    // With the product within kMaxVcpus each part fits into the 8 bits that versions before v48.0 have for it.
    const CpuTopology& t = *spec.cpu_topology;
    const std::int64_t product =
        std::int64_t{t.threads_per_core} * t.cores_per_die * std::int64_t{t.dies_per_package} * t.packages;
    if (product != spec.max_vcpus)
      out.push_back({"/cpu_topology", "makes " + std::to_string(product) + " vCPUs; it must be max_vcpus, which is " +
                                          std::to_string(spec.max_vcpus)});
    if (t.threads_per_core > 2 && version >= kStrictConfig)
      out.push_back({"/cpu_topology/threads_per_core", vmm + " takes 1 or 2"});
  }
  if (spec.memory_shared && spec.memory_mergeable && version >= kStrictConfig)
    out.push_back({"/memory_mergeable", vmm + " takes memory that is shared or mergeable, not both"});
  check_pages(out, spec);
  if (spec.memory_hotplug_size && *spec.memory_hotplug_size % kHotplugStep != 0)
    out.push_back({"/memory_hotplug_size", "must be a multiple of 128 MiB"});
  check_options(out, spec, version);
  return out;
}

std::string build_vm_config(const StartArgs& args, const Settings& settings, const Version& version,
                            const std::string& serial_socket) {
  const VmSpec& spec = args.spec;
  const auto parsed = json::parse(spec.config.text);
  const Value options = parsed ? *parsed : Value();

  Object cpus{{"boot_vcpus", Value(std::int64_t{spec.boot_vcpus})}, {"max_vcpus", Value(std::int64_t{spec.max_vcpus})}};
  if (spec.cpu_topology)
    cpus.emplace_back("topology",
                      Value(Object{{"threads_per_core", Value(std::int64_t{spec.cpu_topology->threads_per_core})},
                                   {"cores_per_die", Value(std::int64_t{spec.cpu_topology->cores_per_die})},
                                   {"dies_per_package", Value(std::int64_t{spec.cpu_topology->dies_per_package})},
                                   {"packages", Value(std::int64_t{spec.cpu_topology->packages})}}));
  cpus.emplace_back("kvm_hyperv", Value(spec.kvm_hyperv));
  add_options(cpus, options, "cpus");

  Object memory{{"size", Value(spec.memory_size)},         {"mergeable", Value(spec.memory_mergeable)},
                {"shared", Value(spec.memory_shared)},     {"hugepages", Value(spec.memory_hugepages)},
                {"prefault", Value(spec.memory_prefault)}, {"thp", Value(spec.memory_thp)}};
  if (spec.memory_hugepage_size) memory.emplace_back("hugepage_size", Value(*spec.memory_hugepage_size));
  // It refuses a 0.
  if (const std::int64_t more = spec.memory_hotplug_size.value_or(0); more > 0)
    memory.emplace_back("hotplug_size", Value(more));
  add_options(memory, options, "memory");

  Object payload{{"kernel", Value(args.boot.kernel_pvh.empty() ? args.boot.kernel : args.boot.kernel_pvh)},
                 {"cmdline", Value(args.boot.cmdline)}};
  if (!args.boot.initramfs.empty()) payload.emplace_back("initramfs", Value(args.boot.initramfs));

  // v53.0 has another name for it. No version refuses a member that it doesn't know: one before v53.0 would give the VM
  // no uuid, and say nothing.
  Object platform{{version >= Version{53, 0} ? "system_uuid" : "uuid", Value(args.vm)}};
  add_options(platform, options, "platform");

  Object rng{{"src", Value("/dev/urandom")}};
  add_options(rng, options, "rng");

  Object root{{"cpus", Value(std::move(cpus))},
              {"memory", Value(std::move(memory))},
              {"payload", Value(std::move(payload))},
              {"platform", Value(std::move(platform))},
              {"rng", Value(std::move(rng))},
              {"serial", Value(Object{{"mode", Value("Socket")}, {"socket", Value(serial_socket)}})},
              {"console", section_of(options, "console", "mode", Value("Off"))}};
  // Devices that a VM has where its `config` names them, and no options otherwise.
  if (options.find("balloon") != nullptr)
    root.emplace_back("balloon", section_of(options, "balloon", "size", Value(std::int64_t{0})));
  if (options.find("rtc") != nullptr) {
    Object rtc;
    add_options(rtc, options, "rtc");
    root.emplace_back("rtc", Value(std::move(rtc)));
  }
  if (settings.landlock) {
    root.emplace_back("landlock_enable", Value(true));
    // A reboot removes the serial socket and makes it anew; the rule that it has of its own is for the socket alone.
    root.emplace_back("landlock_rules",
                      Value(json::Array{Value(Object{{"path", Value(args.run_dir)}, {"access", Value("rw")}})}));
  }
  add_options(root, options, "");
  return json::to_text(Value(std::move(root)));
}

std::vector<std::string> build_argv(const std::string& binary, const Settings& settings, int api_fd) {
  constexpr std::string_view kModes[] = {"true", "false", "log"};
  return {binary, "--api-socket", "fd=" + std::to_string(api_fd), "--seccomp",
          std::string(kModes[static_cast<std::size_t>(settings.seccomp)])};
}

}  // namespace qarax::cloud_hypervisor
