#include "unread.hpp"

#include <algorithm>
#include <utility>

namespace qarax::server::unread {

namespace {

void append_merged(std::string& out, const json::Value& value, std::string_view source, const json::Object& members,
                   std::string_view members_source) {
  const json::Object* object = value.as_object();
  if (object == nullptr) return void(out.append(json::source_text(value, source)));
  auto begin_member = [&, first = true](const std::string& name) mutable {
    if (!std::exchange(first, false)) out.push_back(',');
    json::append_string(out, name);
    out.push_back(':');
  };
  out.push_back('{');
  for (const auto& [name, known] : *object) {
    begin_member(name);
    const auto held = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.first == name; });
    const json::Object* inner = held == members.end() ? nullptr : held->second.as_object();
    append_merged(out, known, source, inner == nullptr ? json::Object{} : *inner, members_source);
  }
  for (const auto& [name, unknown] : members) {
    if (value.find(name) != nullptr) continue;
    begin_member(name);
    out.append(json::source_text(unknown, members_source));
  }
  out.push_back('}');
}

}  // namespace

std::string with(std::string document, const std::string& members) {
  if (members.empty()) return document;
  const auto parsed = json::parse(document);
  const auto held = json::parse(members);
  if (!parsed || !held || held->as_object() == nullptr) return document;
  std::string out;
  append_merged(out, *parsed, document, *held->as_object(), members);
  return out;
}

}  // namespace qarax::server::unread
