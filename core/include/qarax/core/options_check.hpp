// A document against a JSON Schema that a plugin gave: what is wrong with it, member by member.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// Every problem with its pointer, which begins with `pointer`; none: the document is as the schema says. Known
// keywords: type, enum, minimum, maximum, minLength, maxLength, properties, required, additionalProperties (true or
// false), items. What else a schema says is left to whoever gave it, and so is a schema that makes no sense. null, as a
// document that isn't there, counts as {}. Pure.
std::vector<ErrorDetail> find_problems(const json::Value& schema, const json::Value& document,
                                       const std::string& pointer);

// What is said of a keyword that nobody checks.
inline constexpr std::string_view kUncheckedKeyword = "a keyword that qarax doesn't check";
// A keyword that says no rule: title, description, default, examples, format, $schema.
bool is_annotation(std::string_view keyword);

// What a schema demands beyond that, with the pointers to the keywords; the first 64. Whoever reads the schema relies
// on it, and only the plugin itself can hold to it. A schema that can't be read demands nothing.
std::vector<ErrorDetail> unchecked_rules(std::string_view schema);

// The same of texts. A schema that can't be read says nothing.
std::vector<ErrorDetail> find_problems(std::string_view schema, std::string_view document, std::string pointer);

}  // namespace qarax::core
