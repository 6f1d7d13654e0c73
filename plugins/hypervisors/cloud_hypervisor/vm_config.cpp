#include "vm_config.hpp"

#include <algorithm>

#include "qarax/plugin/json.hpp"

namespace qarax::cloud_hypervisor {

namespace {

using json::Object;
using json::Value;

constexpr std::int64_t kMaxByte = 255;
constexpr std::int64_t kMaxHostCpu = 1023;  // it has a cpu_set_t, and ends where one is above it
static_assert(kMaxVcpus == 254, "the words and the schema of an affinity name the last vCPU");
constexpr std::int64_t kPage = 4096;
constexpr std::int64_t kHugePage = 2LL << 20;  // where none is named: the kernel's default

enum class Kind { boolean, byte, text, texts, affinity, method };

// section, member, what it is, the first version that has it. Members of the spec itself aren't here: they have one
// place. The members of a section stand together.
struct Option {
  std::string_view section;
  std::string_view member;
  Kind kind;
  Version since = kOldest;
};
constexpr Option kOptions[] = {
    {"cpus", "max_phys_bits", Kind::byte},    {"cpus", "nested", Kind::boolean, {50, 0}},
    {"cpus", "affinity", Kind::affinity},     {"memory", "hotplug_method", Kind::method},
    {"platform", "oem_strings", Kind::texts}, {"platform", "serial_number", Kind::text},
    {"", "watchdog", Kind::boolean},          {"", "pvpanic", Kind::boolean},
};

const Option* option_of(std::string_view section, std::string_view member) {
  for (const Option& option : kOptions)
    if (option.section == section && option.member == member) return &option;
  return nullptr;
}

bool is_section(std::string_view name) {
  return std::any_of(std::begin(kOptions), std::end(kOptions),
                     [&](const Option& option) { return !option.section.empty() && option.section == name; });
}

bool all_of(const Value& value, bool (*good)(const Value&)) {
  const auto* array = value.as_array();
  return array != nullptr && std::all_of(array->begin(), array->end(), good);
}

bool is_within(const Value* value, std::int64_t most) {
  return value != nullptr && value->as_int() != nullptr && *value->as_int() >= 0 && *value->as_int() <= most;
}

bool fits(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return value.as_bool() != nullptr;
    case Kind::byte:
      return is_within(&value, kMaxByte);
    case Kind::text:
      return value.as_string() != nullptr;
    case Kind::texts:
      return all_of(value, [](const Value& one) { return one.as_string() != nullptr; });
    case Kind::affinity:
      return all_of(value, [](const Value& one) {
        // A vCPU that may run nowhere never starts, and vm.boot waits for it without an end.
        const auto* cpus = one.find("host_cpus");
        return is_within(one.find("vcpu"), kMaxVcpus - 1) && cpus != nullptr && cpus->as_array() != nullptr &&
               !cpus->as_array()->empty() &&
               all_of(*cpus, [](const Value& cpu) { return is_within(&cpu, kMaxHostCpu); });
      });
    case Kind::method:
      return value.as_string() != nullptr && (*value.as_string() == "Acpi" || *value.as_string() == "VirtioMem");
  }
  return false;
}

std::string_view words(Kind kind) {
  constexpr std::string_view kWords[] = {"expected true or false",
                                         "expected an integer from 0 to 255",
                                         "expected a string",
                                         "expected an array of strings",
                                         "expected an array of {\"vcpu\": 0 to 253, \"host_cpus\": [0 to 1023, …]}",
                                         "expected Acpi or VirtioMem"};
  return kWords[static_cast<std::size_t>(kind)];
}

constexpr std::string_view kAffinitySchema =
    R"({"type":"array","items":{"type":"object","required":["vcpu","host_cpus"],"properties":{)"
    R"("vcpu":{"type":"integer","minimum":0,"maximum":253},)"
    R"("host_cpus":{"type":"array","items":{"type":"integer","minimum":0,"maximum":1023}}}}})";

std::string_view schema_of(Kind kind) {
  constexpr std::string_view kSchemas[] = {R"({"type":"boolean"})", R"({"type":"integer","minimum":0,"maximum":255})",
                                           R"({"type":"string"})",  R"({"type":"array","items":{"type":"string"}})",
                                           kAffinitySchema,         R"({"type":"string","enum":["Acpi","VirtioMem"]})"};
  return kSchemas[static_cast<std::size_t>(kind)];
}

std::string allowed(const Version& version) {
  std::string out;
  for (const Option& option : kOptions) {
    if (version < option.since) continue;
    out.append(out.empty() ? "" : ", ")
        .append(option.section)
        .append(option.section.empty() ? "" : ".")
        .append(option.member);
  }
  return out;
}

void check_option(std::vector<ErrorDetail>& out, std::string_view section, const json::Member& member,
                  const std::string& pointer, const Version& version) {
  const Option* option = option_of(section, member.first);
  if (option == nullptr)
    out.push_back({pointer, "is no option of cloud_hv VMs; there are " + allowed(version)});
  else if (version < option->since)
    // It would drop it without a word.
    out.push_back(
        {pointer, "needs Cloud Hypervisor " + to_string(option->since) + "; this node has " + to_string(version)});
  else if (!fits(member.second, option->kind))
    out.push_back({pointer, std::string(words(option->kind))});
}

void check_config(std::vector<ErrorDetail>& out, const VmSpec& spec, const Version& version) {
  const auto config = json::parse(spec.config.text);
  if (!config || config->is_null()) return;
  const auto* object = config->as_object();
  if (object == nullptr) {
    out.push_back({"/config", "expected an object"});
    return;
  }
  for (const auto& member : *object) {
    const std::string pointer = json::pointer_to("/config", member.first);
    const auto* section = is_section(member.first) ? member.second.as_object() : nullptr;
    if (section == nullptr) {
      check_option(out, "", member, pointer, version);
      continue;
    }
    for (const auto& inner : *section)
      check_option(out, member.first, inner, json::pointer_to(pointer, inner.first), version);
  }
}

void check_pages(std::vector<ErrorDetail>& out, const VmSpec& spec) {
  const std::int64_t size = spec.memory_hugepage_size.value_or(kHugePage);
  if (spec.memory_hugepage_size && !spec.memory_hugepages)
    out.push_back({"/memory_hugepage_size", "means nothing without memory_hugepages"});
  else if (size <= 0 || (size & (size - 1)) != 0)
    out.push_back({"/memory_hugepage_size", "must be a power of two"});
  else if (const std::int64_t page = spec.memory_hugepages ? size : kPage; spec.memory_size % page != 0)
    out.push_back({"/memory_size", "must be a multiple of its pages, of " + std::to_string(page) + " bytes"});
}

// What the VM's own options add to a section.
void add_options(Object& to, const json::Value& config, std::string_view section) {
  const Value* from = section.empty() ? &config : config.find(section);
  if (from == nullptr || from->as_object() == nullptr) return;
  for (const auto& [key, value] : *from->as_object())
    if (option_of(section, key) != nullptr) to.emplace_back(key, value);
}

}  // namespace

std::string vm_options_schema(const Version& version) {
  const auto closed = [](Object properties) {
    return Value(Object{{"type", Value("object")},
                        {"additionalProperties", Value(false)},
                        {"properties", Value(std::move(properties))}});
  };
  Object all;
  for (const auto* option = std::begin(kOptions); option != std::end(kOptions);) {
    const std::string_view section = option->section;
    Object members;
    for (; option != std::end(kOptions) && option->section == section; ++option)
      if (version >= option->since)
        members.emplace_back(std::string(option->member), *json::parse(schema_of(option->kind)));
    if (section.empty())
      all.insert(all.end(), members.begin(), members.end());
    else
      all.emplace_back(std::string(section), closed(std::move(members)));
  }
  return json::to_text(closed(std::move(all)));
}

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
  check_config(out, spec, version);
  return out;
}

std::set<int> pinned_to(const VmSpec& spec) {
  std::set<int> out;
  const auto config = json::parse(spec.config.text);
  const auto* cpus = config ? config->find("cpus") : nullptr;
  const auto* affinity = cpus != nullptr ? cpus->find("affinity") : nullptr;
  if (affinity == nullptr) return out;
  for (const Value& one : *affinity->as_array())
    for (const Value& cpu : *one.find("host_cpus")->as_array()) out.insert(static_cast<int>(*cpu.as_int()));
  return out;
}

bool can_shrink(const VmSpec& spec) {
  const auto config = json::parse(spec.config.text);
  const auto* memory = config ? config->find("memory") : nullptr;
  const auto* method = memory != nullptr ? memory->find("hotplug_method") : nullptr;
  return method != nullptr && method->as_string() != nullptr && *method->as_string() == "VirtioMem";
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

  Object root{{"cpus", Value(std::move(cpus))},
              {"memory", Value(std::move(memory))},
              {"payload", Value(std::move(payload))},
              {"platform", Value(std::move(platform))},
              {"rng", Value(Object{{"src", Value("/dev/urandom")}})},
              {"serial", Value(Object{{"mode", Value("Socket")}, {"socket", Value(serial_socket)}})},
              {"console", Value(Object{{"mode", Value("Off")}})}};
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
