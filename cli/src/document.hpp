// Reads the server's JSON documents. Lenient: a newer server may send more members, an older one fewer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::cli {

// A document with the text it was parsed from. -o json prints that text, so that nothing is lost.
struct Document {
  std::string text;
  json::Value value;
};

// Fails with the reason kUnreachable if the text isn't JSON: then what answered is no qarax server.
Result<Document> parse_document(std::string text);
// Element `index` of a document that is an array.
Document element(const Document& array, std::size_t index);
std::size_t element_count(const Document& array);

// Read a member of an object; "", nullopt or false if it is absent, null or of another type.
std::string text_of(const json::Value& object, std::string_view key);
std::optional<std::int64_t> integer_of(const json::Value& object, std::string_view key);
bool flag_of(const json::Value& object, std::string_view key);

// The hypervisor that runs a VM, or would run it.
std::string hypervisor_of(const json::Value& vm);

// Whether `text` has the form of 8-4-4-4-12 hex digits.
bool is_uuid(std::string_view text);

}  // namespace qarax::cli
