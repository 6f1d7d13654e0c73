#include "config_check.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "qarax/core/options_check.hpp"
#include "qarax/plugin/json.hpp"

namespace qarax::core {
namespace {

using json::Value;

Error bad_schema(const std::string& pointer, const std::string& why) {
  return make_error(Code::failed_precondition,
                    "its config_schema" + (pointer.empty() ? "" : " " + pointer) + ": " + why, "plugin-config-schema");
}

template <std::size_t N>
bool one_of(std::string_view text, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), text) != std::end(names);
}

bool is_number(const Value& value) { return value.as_int() != nullptr || value.as_double() != nullptr; }

std::vector<std::string> types_of(const Value& type) {
  std::vector<std::string> types;
  if (const auto* one = type.as_string()) types.push_back(*one);
  if (const auto* many = type.as_array())
    for (const auto& each : *many) types.push_back(each.as_string() != nullptr ? *each.as_string() : "");
  return types;
}

Status check_property_schema(const std::string& pointer, const Value& property) {
  constexpr std::string_view kKeywords[] = {"type", "enum", "minimum", "maximum", "minLength", "maxLength"};
  constexpr std::string_view kTypes[] = {"null", "boolean", "integer", "number", "string"};
  const auto* object = property.as_object();
  if (object == nullptr) return bad_schema(pointer, "expected an object");
  for (const auto& [key, value] : *object) {
    if (!one_of(key, kKeywords) && !is_annotation(key))
      return bad_schema(json::pointer_to(pointer, key), std::string(kUncheckedKeyword));
    if ((key == "minimum" || key == "maximum") && !is_number(value))
      return bad_schema(json::pointer_to(pointer, key), "expected a number");
    if ((key == "minLength" || key == "maxLength") && value.as_int() == nullptr)
      return bad_schema(json::pointer_to(pointer, key), "expected an integer");
    if (key == "enum" && value.as_array() == nullptr)
      return bad_schema(json::pointer_to(pointer, key), "expected an array");
  }
  const Value* type = property.find("type");
  if (type == nullptr) return bad_schema(pointer, "has no type");
  const auto types = types_of(*type);
  if (types.empty() || !std::all_of(types.begin(), types.end(), [&](const auto& t) { return one_of(t, kTypes); }))
    return bad_schema(json::pointer_to(pointer, "type"), "must be string, integer, number or boolean");
  return Ok{};
}

Status check_schema(const Value& schema) {
  constexpr std::string_view kKeywords[] = {"type", "properties", "required", "additionalProperties"};
  const auto* object = schema.as_object();
  if (object == nullptr) return bad_schema("", "expected an object");
  for (const auto& [key, value] : *object) {
    if (!one_of(key, kKeywords) && !is_annotation(key)) return bad_schema("/" + key, std::string(kUncheckedKeyword));
    if (key == "properties") {
      if (value.as_object() == nullptr) return bad_schema("/properties", "expected an object");
      for (const auto& [name, property] : *value.as_object())
        QARAX_CHECK(check_property_schema(json::pointer_to("/properties", name), property));
    }
    if (key == "additionalProperties" && value.as_bool() == nullptr)
      return bad_schema("/additionalProperties", "must be true or false");
    if (key == "required") {
      if (value.as_array() == nullptr) return bad_schema("/required", "expected an array");
      for (const auto& name : *value.as_array())
        if (name.as_string() == nullptr) return bad_schema("/required", "expected an array of strings");
    }
  }
  const Value* type = schema.find("type");
  if (type == nullptr || type->as_string() == nullptr || *type->as_string() != "object")
    return bad_schema("/type", "must be \"object\"");
  return Ok{};
}

}  // namespace

Status check_plugin_config(std::string_view schema_text, std::string_view config_text) {
  const auto schema = json::parse(schema_text);
  if (!schema) return bad_schema("", schema.error().message);
  QARAX_CHECK(check_schema(*schema));

  QARAX_TRY(const auto config, json::parse(config_text));
  Error error = make_error(Code::invalid_argument, "", "plugin-config");
  error.details = find_problems(*schema, config, "");
  if (error.details.empty()) return Ok{};
  for (const auto& detail : error.details)
    error.message += (error.message.empty() ? "config " : "; ") +
                     (detail.pointer.empty() ? "" : detail.pointer + ": ") + detail.detail;
  return error;
}

RawJson with_offers(std::string_view schema, const RawJson& config, const RawJson& offers) {
  const auto parsed_schema = json::parse(schema);
  const auto* properties = parsed_schema ? parsed_schema->find("properties") : nullptr;
  const auto parsed = json::parse(config.text);
  const auto offered = json::parse(offers.text);
  if (properties == nullptr || !parsed || !offered || offered->as_object() == nullptr) return config;
  if (parsed->as_object() == nullptr && !parsed->is_null()) return config;
  json::Object object = parsed->is_null() ? json::Object() : *parsed->as_object();
  for (const auto& [key, value] : *offered->as_object()) {
    const Value* property = properties->find(key);
    // A property of that name that can't take the value means something else.
    if (property != nullptr && parsed->find(key) == nullptr && find_problems(*property, value, "").empty())
      object.emplace_back(key, value);
  }
  return object.empty() ? config : RawJson{json::to_text(json::Value(std::move(object)))};
}

}  // namespace qarax::core
