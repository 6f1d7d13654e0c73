// A plugin's config is checked by the same rules; config_check_test.cpp lists their texts. Here are the cases that only
// a VM's options have.
#include "qarax/core/options_check.hpp"

#include <gtest/gtest.h>

namespace qarax::core {
namespace {

constexpr std::string_view kSchema = R"({
  "type": "object", "additionalProperties": false,
  "properties": {
    "landlock": {"type": "boolean"},
    "memory": {"type": "object", "additionalProperties": false, "required": ["thp"],
               "properties": {"thp": {"type": "boolean"}}},
    "zones": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    "any": {"pattern": "not known here"}
  }})";

std::string problems(std::string_view document) {
  std::string out;
  for (const ErrorDetail& one : find_problems(kSchema, document, "/config"))
    out.append(out.empty() ? "" : "; ").append(one.pointer).append(": ").append(one.detail);
  return out;
}

TEST(Options, AreCheckedAtEveryDepth) {
  EXPECT_EQ(problems(R"({"landlock":true,"memory":{"thp":false},"zones":[0,1]})"), "");
  EXPECT_EQ(problems(R"({"memory":{"thp":1}})"), "/config/memory/thp: expected boolean, got integer");
  EXPECT_EQ(problems(R"({"memory":{"thb":true}})"),
            "/config/memory/thb: unknown option; it knows thp; /config/memory/thp: is required");
  EXPECT_EQ(problems(R"({"zones":[0,-1]})"), "/config/zones/1: -1 is below the minimum of 0");
  EXPECT_EQ(problems(R"({"memory":[]})"), "/config/memory: expected object, got array");
}

TEST(Options, WhatASchemaSaysBesidesIsLeftToItsPlugin) {
  EXPECT_EQ(problems(R"({"any":[{"deep":1}]})"), "");
  EXPECT_TRUE(find_problems("null", R"({"x":1})", "").empty()) << "it has none";
  EXPECT_TRUE(find_problems("{", R"({"x":1})", "").empty());
  EXPECT_TRUE(
      find_problems(R"({"properties":7,"required":"x","items":[],"type":9,"enum":1})", R"({"x":1})", "").empty());
}

TEST(Options, WhatASchemaSaysBesidesIsNamed) {
  const auto unchecked = [](std::string_view schema) {
    std::string out;
    for (const ErrorDetail& one : unchecked_rules(schema))
      out.append(out.empty() ? "" : "; ").append(one.pointer).append(": ").append(one.detail);
    return out;
  };
  EXPECT_EQ(unchecked(kSchema), "/properties/any/pattern: a keyword that qarax doesn't check");
  EXPECT_EQ(unchecked(R"({"items":{"properties":{"a/b":{"oneOf":[]}}}})"),
            "/items/properties/a~1b/oneOf: a keyword that qarax doesn't check");
  EXPECT_EQ(unchecked(R"({"additionalProperties":{"type":"string"}})"),
            "/additionalProperties: only true and false are checked");
  EXPECT_EQ(unchecked(R"({"title":"x","$schema":"y","properties":{"pattern":{"default":1,"format":"z"}}})"), "")
      << "a member may be called as a keyword is";
  EXPECT_EQ(unchecked("null"), "");
  EXPECT_EQ(unchecked("{"), "");
  std::string many = R"({"properties":{)";
  for (int i = 0; i < 500; ++i)
    many.append(i == 0 ? "\"" : ",\"").append(std::to_string(i)).append(R"(":{"pattern":"x"})");
  EXPECT_EQ(unchecked_rules(many + "}}").size(), 64u);
}

TEST(Options, NoneAtAllAreAnEmptyObject) {
  EXPECT_EQ(problems("null"), "");
  EXPECT_EQ(find_problems(R"({"required":["path"]})", "null", "").size(), 1u);
}

}  // namespace
}  // namespace qarax::core
