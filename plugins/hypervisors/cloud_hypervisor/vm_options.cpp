#include "vm_options.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>

namespace qarax::cloud_hypervisor {

namespace {

using json::Object;
using json::Value;

constexpr std::int64_t kMaxByte = 255;
constexpr std::int64_t kMaxAddressBits = 64;
constexpr std::int64_t kMaxHostCpu = 1023;  // it has a cpu_set_t, and ends where one is above it
static_assert(kMaxVcpus == 254, "the words and the schema of an affinity name the last vCPU");

enum class Kind { boolean, byte, size, width, text, texts, affinity, features, method, scheduling, console };

// What a value of that kind is, for a problem and as a JSON Schema.
struct KindFacts {
  std::string_view words;
  std::string_view schema;
};
constexpr KindFacts kKinds[] = {
    {"expected true or false", R"({"type":"boolean"})"},
    {"expected an integer from 0 to 255", R"({"type":"integer","minimum":0,"maximum":255})"},
    {"expected a number of bytes", R"({"type":"integer","minimum":0})"},
    {"expected an integer from 1 to 64", R"({"type":"integer","minimum":1,"maximum":64})"},
    {"expected a string", R"({"type":"string"})"},
    {"expected an array of strings", R"({"type":"array","items":{"type":"string"}})"},
    {"expected an array of {\"vcpu\": 0 to 253, \"host_cpus\": [0 to 1023, …]}",
     R"({"type":"array","items":{"type":"object","required":["vcpu","host_cpus"],"properties":{)"
     R"("vcpu":{"type":"integer","minimum":0,"maximum":253},)"
     R"("host_cpus":{"type":"array","items":{"type":"integer","minimum":0,"maximum":1023}}}}})"},
    {"expected {\"amx\": true or false}",
     R"({"type":"object","additionalProperties":false,"properties":{"amx":{"type":"boolean"}}})"},
    {"expected Acpi or VirtioMem", R"({"type":"string","enum":["Acpi","VirtioMem"]})"},
    {"expected Vm, Vcpu or Off", R"({"type":"string","enum":["Vm","Vcpu","Off"]})"},
    {"expected Off, or Null for a virtio console whose output is dropped",
     R"({"type":"string","enum":["Off","Null"]})"},
};
static_assert(std::size(kKinds) == static_cast<std::size_t>(Kind::console) + 1, "each kind in its order");

const KindFacts& facts_of(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

// section, member, what it is, the first version that has it. Members of the spec itself aren't here: they have one
// place. Nor is what a VM of ours can't use: more PCI segments, NUMA nodes without memory zones, limits of a group of
// disks. The members of a section stand together.
struct Option {
  std::string_view section;
  std::string_view member;
  Kind kind;
  Version since = kOldest;
};
constexpr Option kOptions[] = {
    {"cpus", "max_phys_bits", Kind::byte},
    {"cpus", "nested", Kind::boolean, {50, 0}},
    {"cpus", "affinity", Kind::affinity},
    {"cpus", "features", Kind::features},
    {"cpus", "core_scheduling", Kind::scheduling, {52, 0}},
    {"memory", "hotplug_method", Kind::method},
    {"memory", "reserve", Kind::boolean, {53, 0}},
    {"platform", "oem_strings", Kind::texts},
    {"platform", "serial_number", Kind::text},
    {"platform", "system_manufacturer", Kind::text, {53, 0}},
    {"platform", "system_product_name", Kind::text, {53, 0}},
    {"platform", "system_version", Kind::text, {53, 0}},
    {"platform", "system_family", Kind::text, {53, 0}},
    {"platform", "system_sku_number", Kind::text, {53, 0}},
    {"platform", "chassis_asset_tag", Kind::text, {53, 0}},
    {"platform", "iommu_address_width_bits", Kind::width},
    {"rng", "iommu", Kind::boolean},
    {"console", "mode", Kind::console},
    {"console", "iommu", Kind::boolean},
    {"balloon", "size", Kind::size},
    {"balloon", "deflate_on_oom", Kind::boolean},
    {"balloon", "free_page_reporting", Kind::boolean},
    {"balloon", "iommu", Kind::boolean, {53, 0}},
    {"rtc", "iommu", Kind::boolean, {53, 0}},
    {"", "iommu", Kind::boolean},
    {"", "watchdog", Kind::boolean},
    {"", "pvpanic", Kind::boolean},
};

const Option* option_of(std::string_view section, std::string_view member) {
  for (const Option& option : kOptions)
    if (option.section == section && option.member == member) return &option;
  return nullptr;
}

// The first version that has any member of the section; nothing: there is no such section.
std::optional<Version> since_of(std::string_view section) {
  std::optional<Version> out;
  for (const Option& option : kOptions)
    if (!section.empty() && option.section == section && (!out || option.since < *out)) out = option.since;
  return out;
}

bool all_of(const Value& value, bool (*good)(const Value&)) {
  const auto* array = value.as_array();
  return array != nullptr && std::all_of(array->begin(), array->end(), good);
}

bool is_one_of(const Value& value, std::initializer_list<std::string_view> words) {
  return value.as_string() != nullptr && std::find(words.begin(), words.end(), *value.as_string()) != words.end();
}

bool is_within(const Value* value, std::int64_t most, std::int64_t least = 0) {
  return value != nullptr && value->as_int() != nullptr && *value->as_int() >= least && *value->as_int() <= most;
}

bool is_features(const Value& value) {
  const Object* object = value.as_object();
  return object != nullptr && std::all_of(object->begin(), object->end(), [](const json::Member& one) {
           return one.first == "amx" && one.second.as_bool() != nullptr;
         });
}

bool fits(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return value.as_bool() != nullptr;
    case Kind::byte:
      return is_within(&value, kMaxByte);
    case Kind::size:
      return is_within(&value, std::numeric_limits<std::int64_t>::max());
    case Kind::width:
      return is_within(&value, kMaxAddressBits, 1);
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
    case Kind::features:
      return is_features(value);
    case Kind::method:
      return is_one_of(value, {"Acpi", "VirtioMem"});
    case Kind::scheduling:
      return is_one_of(value, {"Vm", "Vcpu", "Off"});
    case Kind::console:
      // The other modes name a file, a socket or a terminal of the host.
      return is_one_of(value, {"Off", "Null"});
  }
  return false;
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

// The VMM would drop it without a word.
ErrorDetail too_old(const std::string& pointer, const Version& since, const Version& version) {
  return {pointer, "needs Cloud Hypervisor " + to_string(since) + "; this node has " + to_string(version)};
}

void check_option(std::vector<ErrorDetail>& out, std::string_view section, const json::Member& member,
                  const std::string& pointer, const Version& version) {
  const Option* option = option_of(section, member.first);
  if (option == nullptr)
    out.push_back({pointer, "is no option of cloud_hv VMs; there are " + allowed(version)});
  else if (version < option->since)
    out.push_back(too_old(pointer, option->since, version));
  else if (!fits(member.second, option->kind))
    out.push_back({pointer, std::string(facts_of(option->kind).words)});
}

// The VMM refuses one that would leave the guest nothing.
void check_balloon(std::vector<ErrorDetail>& out, const VmSpec& spec, const Value& config) {
  const Value* balloon = config.find("balloon");
  const Value* size = balloon != nullptr ? balloon->find("size") : nullptr;
  if (size != nullptr && size->as_int() != nullptr && *size->as_int() >= spec.memory_size)
    out.push_back({"/config/balloon/size",
                   "must be less than memory_size, which is " + std::to_string(spec.memory_size) + " bytes"});
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
    const auto since = since_of(member.first);
    const auto* section = since ? member.second.as_object() : nullptr;
    if (section == nullptr) {
      check_option(out, "", member, pointer, version);
      continue;
    }
    if (version < *since) {
      out.push_back(too_old(pointer, *since, version));
      continue;
    }
    for (const auto& inner : *section)
      check_option(out, member.first, inner, json::pointer_to(pointer, inner.first), version);
  }
  check_balloon(out, spec, *config);
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
        members.emplace_back(std::string(option->member), *json::parse(facts_of(option->kind).schema));
    if (section.empty())
      all.insert(all.end(), members.begin(), members.end());
    else if (!members.empty())
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
