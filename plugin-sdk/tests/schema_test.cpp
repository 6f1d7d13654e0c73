#include "qarax/plugin/schema.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <type_traits>

#include "qarax/plugin/device_args.hpp"

namespace qarax {
namespace {

json::Value schema_of(const std::string& text) {
  auto parsed = json::parse(text);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : json::Value();
}

TEST(Schema, CpuTopologyWordByWord) {
  EXPECT_EQ(json_schema<CpuTopology>(),
            R"({"type":"object","properties":{)"
            R"("threads_per_core":{"type":"integer","format":"int32","minimum":1,"maximum":8,)"
            R"("description":"Threads of one core."},)"
            R"("cores_per_die":{"type":"integer","format":"int32","minimum":1,"maximum":1024,)"
            R"("description":"Cores of one die."},)"
            R"("dies_per_package":{"type":"integer","format":"int32","minimum":1,"maximum":64,)"
            R"("description":"Dies of one package."},)"
            R"("packages":{"type":"integer","format":"int32","minimum":1,"maximum":64,)"
            R"("description":"Packages (sockets)."}}})");
}

TEST(Schema, NestedNullableAndEnums) {
  const auto spec = schema_of(json_schema<VmSpec>("#/x/"));
  const auto* topology = spec.find("properties")->find("cpu_topology");
  ASSERT_NE(topology, nullptr);
  const auto& one_of = *topology->find("oneOf")->as_array();
  EXPECT_EQ(*one_of.at(0).find("$ref")->as_string(), "#/x/CpuTopology");
  EXPECT_EQ(*one_of.at(1).find("type")->as_string(), "null");
  const auto* hotplug = spec.find("properties")->find("memory_hotplug_size");
  ASSERT_NE(hotplug, nullptr);
  EXPECT_EQ(hotplug->find("minimum"), nullptr) << "a bound stands beside its type";
  EXPECT_EQ(json::to_text(*hotplug->find("oneOf")),
            R"([{"type":"integer","format":"int64","minimum":0},{"type":"null"}])");
  const auto* config = spec.find("properties")->find("config");
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->find("type"), nullptr) << "any JSON value";

  const auto status = schema_of(json_schema<VmStatus>());
  EXPECT_EQ(json::to_text(*status.find("required")), R"(["state"])");
  EXPECT_EQ(json::to_text(*status.find("properties")->find("state")->find("enum")),
            R"(["unknown","created","running","paused","shutdown"])");
}

enum class Mood { unknown, calm };
struct OfMoods {
  Mood mood = Mood::unknown;
};
}  // namespace
template <>
struct EnumNames<Mood> {
  static constexpr std::string_view kNames[] = {"unknown", "calm"};
  static constexpr Mood kUnknown = Mood::unknown;
  static constexpr bool kOpen = true;
};
template <>
struct Fields<OfMoods> {
  static constexpr std::string_view kName = "OfMoods";
  static constexpr auto kTable = field_table(field<&OfMoods::mood>("mood"));
};
namespace {

TEST(Schema, AnEnumThatMayGrowIsAText) {
  EXPECT_EQ(json_schema<OfMoods>(), R"({"type":"object","properties":{"mood":{"type":"string"}}})");
  EXPECT_EQ(encode(OfMoods{Mood::calm}), R"({"mood":"calm"})");
}

struct Grown {
  std::string first{};
  RawJson second{};
};
}  // namespace
template <>
struct Fields<Grown> {
  static constexpr std::string_view kName = "Grown";
  static constexpr auto kTable = field_table(field<&Grown::first>("first").since("0.10").doc("A text."),
                                             field<&Grown::second>("second").since("0.11"));
};
namespace {

TEST(Schema, WhatCameLaterSaysSo) {
  EXPECT_EQ(json_schema<Grown>(), R"({"type":"object","properties":{)"
                                  R"("first":{"type":"string","description":"A text.","x-since":"0.10"},)"
                                  R"("second":{"x-since":"0.11"}}})");
}

TEST(Schema, FlatMembersAndText) {
  const auto stop = schema_of(json_schema<StopArgs>());
  EXPECT_EQ(stop.find("properties")->find("vm")->find("type")->as_string()->c_str(), std::string("string"));
  EXPECT_EQ(json::to_text(*stop.find("required")), R"(["vm","incarnation","mode"])");
}

// Adds the members that the codec knows but leaves out if they have no value.
template <class T>
void add_absent_ones(std::set<std::string>& names) {
  detail::for_each_field<T>([&](const auto& f) {
    using M = typename std::remove_cvref_t<decltype(f)>::Type;
    if constexpr (Document<M>) {
      if (f.is_flat) add_absent_ones<M>(names);
    }
    if (detail::IsOptional<M>::value && !f.is_nullable) names.emplace(f.name);
  });
}

// The schema has exactly the members that the codec writes.
template <class T>
void expect_same_members() {
  const auto document = schema_of(encode(T{}, Defaults::write));
  const auto schema = schema_of(json_schema<T>());
  for (const auto& [name, value] : *document.as_object())
    EXPECT_NE(schema.find("properties")->find(name), nullptr) << Fields<T>::kName << "." << name;
  std::set<std::string> absent;
  add_absent_ones<T>(absent);
  for (const auto& [name, value] : *schema.find("properties")->as_object())
    EXPECT_EQ(document.find(name) == nullptr, absent.count(name) > 0) << Fields<T>::kName << "." << name;
}

TEST(Schema, CoversTheCodec) {
  expect_same_members<VmSpec>();
  expect_same_members<VmStatus>();
  expect_same_members<Description>();
  expect_same_members<StartArgs>();
  expect_same_members<SpawnArgs>();
  expect_same_members<DiskArgs>();
  expect_same_members<NicArgs>();
  expect_same_members<DiskResizeArgs>();
  expect_same_members<RunResult>();
}

}  // namespace
}  // namespace qarax
