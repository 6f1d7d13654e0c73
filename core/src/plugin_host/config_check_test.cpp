#include "config_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace qarax::core {
namespace {

constexpr std::string_view kSchema = R"({
  "type": "object", "additionalProperties": false, "required": ["path"],
  "properties": {
    "path":  {"type": "string", "minLength": 2, "maxLength": 5, "description": "é counts once"},
    "mode":  {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
    "count": {"type": "integer", "minimum": 1, "maximum": 8},
    "ratio": {"type": "number", "minimum": 0.5},
    "on":    {"type": "boolean"},
    "limit": {"type": ["integer", "null"]}
  }})";

struct Case {
  const char* config;
  const char* message;  // "" = good
};

TEST(PluginConfig, Table) {
  const Case cases[] = {
      {R"({"path":"/x"})", ""},
      {R"({"path":"/x","mode":"slow","count":8,"ratio":1,"on":false,"limit":null})", ""},
      {R"({"path":"éééé"})", ""},
      {"null", "config /path: is required"},
      {"[]", "config expected object, got array"},
      {R"({"path":1})", "config /path: expected string, got integer"},
      {R"({"path":"x"})", "config /path: shorter than 2 characters"},
      {R"({"path":"/xxxxx"})", "config /path: longer than 5 characters"},
      {R"({"path":"/x","mode":"warp"})", "config /mode: \"warp\" is not one of \"fast\", \"slow\""},
      {R"({"path":"/x","count":0})", "config /count: 0 is below the minimum of 1"},
      {R"({"path":"/x","count":9})", "config /count: 9 is above the maximum of 8"},
      {R"({"path":"/x","count":2.0})", "config /count: expected integer, got number"},
      {R"({"path":"/x","count":true})", "config /count: expected integer, got boolean"},
      {R"({"path":"/x","ratio":0.25})", "config /ratio: 0.25 is below the minimum of 0.5"},
      {R"({"path":"/x","on":"yes"})", "config /on: expected boolean, got string"},
      {R"({"path":"/x","limit":"none"})", "config /limit: expected integer or null, got string"},
      {R"({"path":"/x","pth":"/y"})", "config /pth: unknown option; it knows path, mode, count, ratio, on, limit"},
      {R"({"count":0,"on":1})",
       "config /count: 0 is below the minimum of 1; /on: expected boolean, got integer; /path: is required"},
  };
  for (const auto& each : cases) {
    const auto status = check_plugin_config(kSchema, each.config);
    EXPECT_EQ(status ? "" : status.error().message, each.message) << each.config;
    if (!status) {
      EXPECT_EQ(status.error().code, Code::invalid_argument);
      EXPECT_FALSE(status.error().details.empty());
    }
  }
}

TEST(PluginConfig, SchemasThatAreAtFault) {
  const Case cases[] = {
      {"{", "its config_schema: not a valid JSON document: expected a member name in double quotes at byte 1"},
      {"[]", "its config_schema: expected an object"},
      {"{}", "its config_schema /type: must be \"object\""},
      {R"({"type":"object","allOf":[]})", "its config_schema /allOf: a keyword that qarax doesn't check"},
      {R"({"type":"object","additionalProperties":{}})",
       "its config_schema /additionalProperties: must be true or false"},
      {R"({"type":"object","properties":{"a":{"type":"object"}}})",
       "its config_schema /properties/a/type: must be string, integer, number or boolean"},
      {R"({"type":"object","properties":{"a":{"type":"string","pattern":"x"}}})",
       "its config_schema /properties/a/pattern: a keyword that qarax doesn't check"},
      {R"({"type":"object","properties":{"a":{"type":"integer","minimum":"1"}}})",
       "its config_schema /properties/a/minimum: expected a number"},
      {R"({"type":"object","required":[1]})", "its config_schema /required: expected an array of strings"},
  };
  for (const auto& each : cases) {
    const auto status = check_plugin_config(each.config, "null");
    ASSERT_FALSE(status) << each.config;
    EXPECT_EQ(status.error().code, Code::failed_precondition);
    EXPECT_EQ(status.error().message, each.message);
  }
}

TEST(Offers, FillWhatTheSchemaHasAndTheConfigLacks) {
  constexpr std::string_view kTwo = R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}})";
  const RawJson offers{R"({"a":"1","c":"3"})"};
  EXPECT_EQ(with_offers(kTwo, {}, offers).text, R"({"a":"1"})");
  EXPECT_EQ(with_offers(kTwo, {R"({"b":"2"})"}, offers).text, R"({"b":"2","a":"1"})");
  EXPECT_EQ(with_offers(kTwo, {R"({"a":"mine"})"}, offers).text, R"({"a":"mine"})");
  EXPECT_EQ(with_offers(R"({"type":"object"})", {}, offers).text, "null");
  for (const char* other : {R"({"type":"integer"})", R"({"type":"string","enum":["x"]})"})
    EXPECT_EQ(with_offers(R"({"type":"object","properties":{"a":)" + std::string(other) + "}}", {}, offers).text,
              "null")
        << "a property of the plugin's own by that name";
  EXPECT_EQ(with_offers(kTwo, {"[]"}, offers).text, "[]") << "left to the check";
}

}  // namespace
}  // namespace qarax::core
