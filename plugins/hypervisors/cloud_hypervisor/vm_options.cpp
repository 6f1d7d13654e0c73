#include "vm_options.hpp"

#include <algorithm>
#include <iterator>

namespace qarax::cloud_hypervisor {

namespace {

using json::Object;
using json::Value;

constexpr std::int64_t kMaxByte = 255;
constexpr std::int64_t kMaxHostCpu = 1023;  // it has a cpu_set_t, and ends where one is above it
static_assert(kMaxVcpus == 254, "the words and the schema of an affinity name the last vCPU");

enum class Kind { boolean, byte, text, texts, affinity, method, console };

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
    {"rng", "iommu", Kind::boolean},          {"console", "mode", Kind::console},
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

bool is_one_of(const Value& value, std::string_view one, std::string_view other) {
  return value.as_string() != nullptr && (*value.as_string() == one || *value.as_string() == other);
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
      return is_one_of(value, "Acpi", "VirtioMem");
    case Kind::console:
      // The other modes name a file, a socket or a terminal of the host.
      return is_one_of(value, "Off", "Null");
  }
  return false;
}

std::string_view words(Kind kind) {
  constexpr std::string_view kWords[] = {"expected true or false",
                                         "expected an integer from 0 to 255",
                                         "expected a string",
                                         "expected an array of strings",
                                         "expected an array of {\"vcpu\": 0 to 253, \"host_cpus\": [0 to 1023, …]}",
                                         "expected Acpi or VirtioMem",
                                         "expected Off, or Null for a virtio console whose output is dropped"};
  return kWords[static_cast<std::size_t>(kind)];
}

constexpr std::string_view kAffinitySchema =
    R"({"type":"array","items":{"type":"object","required":["vcpu","host_cpus"],"properties":{)"
    R"("vcpu":{"type":"integer","minimum":0,"maximum":253},)"
    R"("host_cpus":{"type":"array","items":{"type":"integer","minimum":0,"maximum":1023}}}}})";

std::string_view schema_of(Kind kind) {
  constexpr std::string_view kSchemas[] = {R"({"type":"boolean"})",
                                           R"({"type":"integer","minimum":0,"maximum":255})",
                                           R"({"type":"string"})",
                                           R"({"type":"array","items":{"type":"string"}})",
                                           kAffinitySchema,
                                           R"({"type":"string","enum":["Acpi","VirtioMem"]})",
                                           R"({"type":"string","enum":["Off","Null"]})"};
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

}  // namespace

void check_options(std::vector<ErrorDetail>& out, const VmSpec& spec, const Version& version) {
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

void add_options(Object& to, const json::Value& config, std::string_view section) {
  const Value* from = section.empty() ? &config : config.find(section);
  if (from == nullptr || from->as_object() == nullptr) return;
  for (const auto& [key, value] : *from->as_object())
    if (option_of(section, key) != nullptr) to.emplace_back(key, value);
}

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

}  // namespace qarax::cloud_hypervisor
