// Reading the server's JSON documents. Lenient: a newer server may send more, an older one less.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::cli {

// A document with the text it was read from, which is what -o json prints: nothing is lost on the way.
struct Document {
  std::string text;
  json::Value value;
};

// An Error with the reason kUnreachable where it isn't JSON: then it is no qarax server that answered.
Result<Document> parse_document(std::string text);
// Element `index` of a document that is an array.
Document element(const Document& array, std::size_t index);
std::size_t element_count(const Document& array);

// Members of an object. Absent, null and of another type are all "", nullopt and false.
std::string text_of(const json::Value& object, std::string_view key);
std::optional<std::int64_t> integer_of(const json::Value& object, std::string_view key);
bool flag_of(const json::Value& object, std::string_view key);

// What runs a VM, or would.
std::string hypervisor_of(const json::Value& vm);

// 8-4-4-4-12 hex digits?
bool is_uuid(std::string_view text);

}  // namespace qarax::cli
