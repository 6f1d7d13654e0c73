// Generates plugin-sdk/documents.json from the field tables: `documents_tool write FILE`. `check FILE` tells whether
// the file is up to date. One definition per line.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "qarax/plugin/device_args.hpp"
#include "qarax/plugin/schema.hpp"

namespace qarax {
namespace {

using json::Object;
using json::Value;

// The schema with the default of each optional member: the encoder leaves out members that have this value.
template <class T>
Value definition() {
  const auto schema = json::parse(json_schema<T>("#/$defs/"));
  const auto defaults = json::parse(encode(T{}, Defaults::write));
  std::vector<std::string> required;
  if (const Value* names = schema->find("required"))
    for (const Value& name : *names->as_array()) required.push_back(*name.as_string());
  Object out;
  for (const auto& [keyword, value] : *schema->as_object()) {
    if (keyword != "properties") {
      out.emplace_back(keyword, value);
      continue;
    }
    Object properties;
    for (const auto& [name, property] : *value.as_object()) {
      Object members = *property.as_object();
      const Value* absent = defaults->find(name);
      const bool is_part =
          property.find("$ref") != nullptr;  // a nested document: its members have defaults of their own
      const bool may_be_absent = std::find(required.begin(), required.end(), name) == required.end();
      if (may_be_absent && absent != nullptr && !absent->is_null() && !is_part)
        members.emplace_back("default", *absent);
      properties.emplace_back(name, Value(std::move(members)));
    }
    out.emplace_back(keyword, Value(std::move(properties)));
  }
  return Value(std::move(out));
}

template <class... T>
std::string definitions() {
  std::string out;
  const auto add = [&](std::string_view name, const Value& value) {
    out.append(out.empty() ? "" : ",\n").append("\"").append(name).append("\":").append(json::to_text(value));
  };
  (add(Fields<T>::kName, definition<T>()), ...);
  return out;
}

std::string documents() {
  return "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n"
         "\"title\":\"The documents of the qarax plugin ABI 0.9, from the SDK's field tables\",\n"
         "\"$defs\":{\n" +
         definitions<CreateArgs, ResolveArgs, StartArgs, VmArgs, StopArgs, ResizeArgs, SnapshotArgs, DiskArgs, NicArgs,
                     DetachArgs, DiskResizeArgs, VmSpec, CpuTopology, BootFiles, DiskSpec, NicSpec, RateLimits,
                     VmStatus, ExitInfo, Description, PluginLimits, Counters, Counter, Error, ErrorDetail, SpawnArgs,
                     ProcessArgs, Process, SignalArgs, ClaimArgs, RunArgs, RunResult>() +
         "\n}}\n";
}

// Whether every $ref names an existing definition.
bool has_its_references(const std::string& text) {
  const auto parsed = json::parse(text);
  const Value* all = parsed ? parsed->find("$defs") : nullptr;
  if (all == nullptr) return false;
  constexpr std::string_view kRef = "\"#/$defs/";
  for (std::size_t at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at)) {
    at += kRef.size();
    const std::string name = text.substr(at, text.find('"', at) - at);
    if (all->find(name) != nullptr) continue;
    std::fprintf(stderr, "%s is referred to and isn't there; add it to documents_tool.cpp\n", name.c_str());
    return false;
  }
  return true;
}

}  // namespace
}  // namespace qarax

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  const std::string text = qarax::documents();
  if (!qarax::has_its_references(text)) return 1;
  if (what == "write") return (std::ofstream(argv[2]) << text) ? 0 : 1;
  if (what != "check") {
    std::fprintf(stderr, "usage: documents_tool write|check FILE\n");
    return 2;
  }
  std::ifstream file(argv[2]);
  if (std::string(std::istreambuf_iterator<char>(file), {}) == text) return 0;
  std::fprintf(stderr, "%s isn't what the field tables make; run: documents_tool write %s\n", argv[2], argv[2]);
  return 1;
}
