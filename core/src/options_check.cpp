#include "qarax/core/options_check.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace qarax::core {
namespace {

using json::Value;

bool is_number(const Value& value) { return value.as_int() != nullptr || value.as_double() != nullptr; }
double number(const Value& value) {
  return value.as_int() != nullptr ? static_cast<double>(*value.as_int()) : *value.as_double();
}

bool has_type(const Value& value, std::string_view type) {
  if (type == "number") return is_number(value);
  return value.type_name() == type;
}

bool equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) return number(a) == number(b);
  return a.type_name() == b.type_name() && json::to_text(a) == json::to_text(b);
}

std::string join(std::string list, std::string_view separator, std::string_view next) {
  return list.append(list.empty() ? "" : separator).append(next);
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string type_problem(const Value& schema, const Value& value) {
  const Value* type = schema.find("type");
  std::vector<std::string_view> types;
  if (type != nullptr && type->as_string() != nullptr) types.push_back(*type->as_string());
  if (type != nullptr && type->as_array() != nullptr)
    for (const Value& each : *type->as_array())
      if (each.as_string() != nullptr) types.push_back(*each.as_string());
  if (types.empty() || std::any_of(types.begin(), types.end(), [&](auto one) { return has_type(value, one); }))
    return {};
  std::string expected;
  for (const auto one : types) expected = join(std::move(expected), " or ", one);
  return "expected " + expected + ", got " + std::string(value.type_name());
}

std::string enum_problem(const Value& schema, const Value& value) {
  const Value* allowed = schema.find("enum");
  if (allowed == nullptr || allowed->as_array() == nullptr) return {};
  const auto& values = *allowed->as_array();
  if (std::any_of(values.begin(), values.end(), [&](const Value& each) { return equal(each, value); })) return {};
  std::string list;
  for (const Value& each : values) list = join(std::move(list), ", ", json::to_text(each));
  return json::to_text(value) + " is not one of " + list;
}

std::string range_problem(const Value& schema, const Value& value) {
  if (!is_number(value)) return {};
  const Value* min = schema.find("minimum");
  const Value* max = schema.find("maximum");
  if (min != nullptr && is_number(*min) && number(value) < number(*min))
    return json::to_text(value) + " is below the minimum of " + json::to_text(*min);
  if (max != nullptr && is_number(*max) && number(value) > number(*max))
    return json::to_text(value) + " is above the maximum of " + json::to_text(*max);
  return {};
}

std::string length_problem(const Value& schema, const Value& value) {
  if (value.as_string() == nullptr) return {};
  const auto limit = [&](std::string_view keyword) {
    const Value* found = schema.find(keyword);
    return found != nullptr ? found->as_int() : nullptr;
  };
  const auto length = static_cast<std::int64_t>(characters(*value.as_string()));
  if (const auto* min = limit("minLength"); min != nullptr && length < *min)
    return "shorter than " + std::to_string(*min) + " characters";
  if (const auto* max = limit("maxLength"); max != nullptr && length > *max)
    return "longer than " + std::to_string(*max) + " characters";
  return {};
}

void check(const Value& schema, const Value& value, const std::string& pointer, std::vector<ErrorDetail>& out);

std::string unknown_option(const Value* properties) {
  std::string known;
  if (properties != nullptr && properties->as_object() != nullptr)
    for (const auto& each : *properties->as_object()) known = join(std::move(known), ", ", each.first);
  return known.empty() ? "unknown option; this plugin has none" : "unknown option; it knows " + known;
}

void check_members(const Value& schema, const Value& value, const std::string& pointer, std::vector<ErrorDetail>& out) {
  const Value* properties = schema.find("properties");
  const Value* additional = schema.find("additionalProperties");
  const bool closed = additional != nullptr && additional->as_bool() != nullptr && !*additional->as_bool();
  for (const auto& [key, member] : *value.as_object()) {
    const Value* property = properties != nullptr ? properties->find(key) : nullptr;
    if (property != nullptr)
      check(*property, member, json::pointer_to(pointer, key), out);
    else if (closed)
      out.push_back({json::pointer_to(pointer, key), unknown_option(properties)});
  }
  const Value* required = schema.find("required");
  if (required == nullptr || required->as_array() == nullptr) return;
  for (const Value& name : *required->as_array())
    if (name.as_string() != nullptr && value.find(*name.as_string()) == nullptr)
      out.push_back({json::pointer_to(pointer, *name.as_string()), "is required"});
}

void check(const Value& schema, const Value& value, const std::string& pointer, std::vector<ErrorDetail>& out) {
  for (const auto problem : {type_problem, enum_problem, range_problem, length_problem}) {
    std::string wrong = problem(schema, value);
    if (wrong.empty()) continue;
    out.push_back({pointer, std::move(wrong)});
    return;
  }
  if (value.as_object() != nullptr) check_members(schema, value, pointer, out);
  const Value* items = schema.find("items");
  if (items == nullptr || value.as_array() == nullptr) return;
  std::size_t index = 0;
  for (const Value& each : *value.as_array()) check(*items, each, pointer + "/" + std::to_string(index++), out);
}

constexpr std::size_t kMostUnchecked = 64;

bool is_rule(std::string_view keyword) {
  constexpr std::string_view kRules[] = {"type",      "enum",     "minimum",    "maximum", "minLength",
                                         "maxLength", "required", "properties", "items",   "additionalProperties"};
  return std::find(std::begin(kRules), std::end(kRules), keyword) != std::end(kRules);
}

void find_unchecked(const Value& schema, const std::string& pointer, std::vector<ErrorDetail>& out) {
  if (schema.as_object() == nullptr) return;
  for (const auto& [keyword, value] : *schema.as_object()) {
    if (out.size() >= kMostUnchecked) return;
    const std::string at = json::pointer_to(pointer, keyword);
    if (keyword == "items") {
      find_unchecked(value, at, out);
    } else if (keyword == "properties" && value.as_object() != nullptr) {
      for (const auto& [name, property] : *value.as_object()) find_unchecked(property, json::pointer_to(at, name), out);
    } else if (keyword == "additionalProperties" && value.as_bool() == nullptr) {
      out.push_back({at, "only true and false are checked"});
    } else if (!is_rule(keyword) && !is_annotation(keyword)) {
      out.push_back({at, std::string(kUncheckedKeyword)});
    }
  }
}

}  // namespace

bool is_annotation(std::string_view keyword) {
  constexpr std::string_view kAnnotations[] = {"title", "description", "default", "examples", "format", "$schema"};
  return std::find(std::begin(kAnnotations), std::end(kAnnotations), keyword) != std::end(kAnnotations);
}

std::vector<ErrorDetail> unchecked_rules(std::string_view schema) {
  std::vector<ErrorDetail> out;
  if (const auto rules = json::parse(schema)) find_unchecked(*rules, "", out);
  return out;
}

std::vector<ErrorDetail> find_problems(const Value& schema, const Value& document, const std::string& pointer) {
  std::vector<ErrorDetail> out;
  check(schema, document.is_null() ? Value(json::Object{}) : document, pointer, out);
  return out;
}

std::vector<ErrorDetail> find_problems(std::string_view schema, std::string_view document, std::string pointer) {
  const auto rules = json::parse(schema);
  if (!rules || rules->is_null()) return {};
  const auto parsed = json::parse(document);
  if (!parsed) return {{std::move(pointer), parsed.error().message}};
  return find_problems(*rules, *parsed, pointer);
}

}  // namespace qarax::core
