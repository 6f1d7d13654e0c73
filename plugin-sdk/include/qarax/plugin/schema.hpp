// JSON Schema (draft 2020-12 vocabulary, as OpenAPI 3.1 takes it) of a document type, from its field table.
#pragma once

#include <limits>
#include <string>
#include <string_view>

#include "qarax/plugin/fields.hpp"

namespace qarax {

// A nested document becomes a reference, `ref_prefix` + its name; every such type needs a schema of its own.
template <class T>
std::string json_schema(std::string_view ref_prefix = "#/components/schemas/");

namespace detail {

template <class M>
concept IsOpenEnum = std::is_enum_v<M> && requires {
  EnumNames<M>::kOpen;
};

template <class M>
void append_type(std::string& out, std::string_view ref_prefix) {
  if constexpr (std::is_same_v<M, bool>) {
    out.append("\"type\":\"boolean\"");
  } else if constexpr (std::is_same_v<M, std::string> || IsOpenEnum<M>) {
    out.append("\"type\":\"string\"");
  } else if constexpr (std::is_enum_v<M>) {
    out.append("\"type\":\"string\",\"enum\":[");
    for (std::size_t i = 0; i < std::size(EnumNames<M>::kNames); ++i) {
      if (i != 0) out.push_back(',');
      json::append_string(out, EnumNames<M>::kNames[i]);
    }
    out.push_back(']');
  } else if constexpr (std::is_integral_v<M>) {
    out.append(sizeof(M) == 4 ? "\"type\":\"integer\",\"format\":\"int32\""
                              : "\"type\":\"integer\",\"format\":\"int64\"");
  } else if constexpr (std::is_floating_point_v<M>) {
    out.append("\"type\":\"number\"");
  } else if constexpr (std::is_same_v<M, RawJson>) {
    // any JSON value: no keyword
  } else if constexpr (IsVector<M>::value) {
    out.append("\"type\":\"array\",\"items\":{");
    append_type<typename M::value_type>(out, ref_prefix);
    out.push_back('}');
  } else if constexpr (std::is_same_v<M, std::map<std::string, std::string>>) {
    out.append("\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}");
  } else {
    out.append("\"$ref\":");
    json::append_string(out, std::string(ref_prefix).append(Fields<M>::kName));
  }
}

template <class T>
void append_properties(std::string& out, std::string& required, std::string_view ref_prefix, bool& first) {
  for_each_field<T>([&](const auto& f) {
    using M = typename std::remove_cvref_t<decltype(f)>::Type;
    using B = typename Bare<M>::Type;
    if constexpr (Document<M>) {
      if (f.is_flat) return append_properties<M>(out, required, ref_prefix, first);
    }
    if (!first) out.push_back(',');
    first = false;
    json::append_string(out, f.name);
    out.append(":{");
    // Bounds and format stand beside their type, within the branch of a oneOf: client generators read each branch
    // alone.
    std::string body;
    append_type<B>(body, ref_prefix);
    constexpr bool kText = std::is_same_v<B, std::string>;
    constexpr bool kMany = IsVector<B>::value;
    if constexpr (std::is_integral_v<B> || kText || kMany) {
      if (f.min_value != std::numeric_limits<std::int64_t>::min()) {
        body.append(kMany ? ",\"minItems\":" : kText ? ",\"minLength\":" : ",\"minimum\":");
        json::append_int(body, f.min_value);
      }
      if (f.max_value != std::numeric_limits<std::int64_t>::max()) {
        body.append(kMany ? ",\"maxItems\":" : kText ? ",\"maxLength\":" : ",\"maximum\":");
        json::append_int(body, f.max_value);
      }
    }
    if (!f.pattern_text.empty()) {
      body.append(",\"format\":");
      json::append_string(body, f.pattern_text);
    }
    if (f.is_nullable) {
      out.append("\"oneOf\":[{").append(body).append("},{\"type\":\"null\"}]");
    } else {
      out.append(body);
    }
    if (!f.doc_text.empty()) {
      if (out.back() != '{') out.push_back(',');
      out.append("\"description\":");
      json::append_string(out, f.doc_text);
    }
    if (f.since_version != "0.9") {  // 0.9 is the first version: only later members say theirs
      out.append(out.back() != '{' ? ",\"x-since\":" : "\"x-since\":");
      json::append_string(out, f.since_version);
    }
    out.push_back('}');
    if (f.is_required) {
      if (!required.empty()) required.push_back(',');
      json::append_string(required, f.name);
    }
  });
}

}  // namespace detail

template <class T>
std::string json_schema(std::string_view ref_prefix) {
  std::string out = "{\"type\":\"object\",\"properties\":{";
  std::string required;
  bool first = true;
  detail::append_properties<T>(out, required, ref_prefix, first);
  out.push_back('}');
  if (!required.empty()) out.append(",\"required\":[").append(required).push_back(']');
  out.push_back('}');
  return out;
}

}  // namespace qarax
