#include "document.hpp"

#include <cctype>

#include "problem.hpp"

namespace qarax::cli {

Result<Document> parse_document(std::string text) {
  auto value = json::parse(text);
  if (!value)
    return make_error(Code::unavailable, "the answer isn't what a qarax server sends: " + value.error().message,
                      std::string(kUnreachable));
  return Document{std::move(text), std::move(*value)};
}

Document element(const Document& array, std::size_t index) {
  const json::Value& value = (*array.value.as_array())[index];
  return {json::source_text(value, array.text), value};
}

std::size_t element_count(const Document& array) {
  const auto* elements = array.value.as_array();
  return elements == nullptr ? 0 : elements->size();
}

std::string text_of(const json::Value& object, std::string_view key) {
  const json::Value* member = object.find(key);
  const std::string* text = member == nullptr ? nullptr : member->as_string();
  return text == nullptr ? std::string() : *text;
}

std::optional<std::int64_t> integer_of(const json::Value& object, std::string_view key) {
  const json::Value* member = object.find(key);
  const std::int64_t* value = member == nullptr ? nullptr : member->as_int();
  return value == nullptr ? std::nullopt : std::optional(*value);
}

bool flag_of(const json::Value& object, std::string_view key) {
  const json::Value* member = object.find(key);
  const bool* value = member == nullptr ? nullptr : member->as_bool();
  return value != nullptr && *value;
}

std::string hypervisor_of(const json::Value& vm) {
  const std::string effective = text_of(vm, "effective_hypervisor");
  return effective.empty() ? text_of(vm, "hypervisor") : effective;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

}  // namespace qarax::cli
