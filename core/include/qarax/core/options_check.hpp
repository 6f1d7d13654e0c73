// Checks a document against a plugin's JSON Schema. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

// Returns every problem, with a pointer that begins with `pointer`; empty: the document is valid. Checked keywords:
// type, enum, minimum, maximum, minLength, maxLength, properties, required, additionalProperties (true or false),
// items. Any other keyword, and a malformed one, is ignored: the plugin must check that itself. A null document counts
// as {}.
std::vector<ErrorDetail> find_problems(const json::Value& schema, const json::Value& document,
                                       const std::string& pointer);

// The message for a keyword that isn't checked.
inline constexpr std::string_view kUncheckedKeyword = "a keyword that qarax doesn't check";
// True for keywords that express no rule: title, description, default, examples, format, $schema.
bool is_annotation(std::string_view keyword);

// The keywords of a schema that find_problems() doesn't check, with pointers to them; the first 64. Readers of the
// schema rely on these rules, and only the plugin can enforce them. Empty for a schema that isn't JSON.
std::vector<ErrorDetail> unchecked_rules(std::string_view schema);

// find_problems() for JSON texts. A schema that isn't JSON, or is null, finds no problems.
std::vector<ErrorDetail> find_problems(std::string_view schema, std::string_view document, std::string pointer);

}  // namespace qarax::core
