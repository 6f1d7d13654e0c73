#include "api/merge.hpp"

#include <cstddef>
#include <utility>

namespace qarax::api {

namespace {

std::string source(const Spelled& spelled) { return json::source_text(spelled.value, spelled.text); }

bool is_whole(std::string_view number) { return number.find_first_of(".eE") == std::string_view::npos; }

bool is_same_number(const Spelled& a, const Spelled& b) {
  if (*a.value.as_double() != *b.value.as_double()) return false;
  const std::string one = source(a);
  const std::string other = source(b);
  return one == other || !is_whole(one) || !is_whole(other);
}

void append_key(std::string& out, std::string_view key, bool& first) {
  if (!first) out.push_back(',');
  first = false;
  json::append_string(out, key);
  out.push_back(':');
}

// Appends the merged value. Returns whether it differs from `target`, which may be null: there is none.
bool append_merged(std::string& out, const Spelled* target, const Spelled& patch);

bool append_members(std::string& out, const Spelled* target, const Spelled& patch) {
  bool changes = target == nullptr || target->value.as_object() == nullptr;
  bool first = true;
  if (!changes) {
    for (const auto& [name, value] : *target->value.as_object()) {
      const Spelled was{value, target->text};
      const json::Value* asked = patch.value.find(name);
      if (asked != nullptr && asked->is_null()) {
        changes = true;
        continue;
      }
      append_key(out, name, first);
      if (asked == nullptr)
        out.append(source(was));
      else
        changes = append_merged(out, &was, {*asked, patch.text}) || changes;
    }
  }
  for (const auto& [name, value] : *patch.value.as_object()) {
    if (value.is_null() || (target != nullptr && target->value.find(name) != nullptr)) continue;
    changes = true;
    append_key(out, name, first);
    append_merged(out, nullptr, {value, patch.text});
  }
  return changes;
}

bool append_merged(std::string& out, const Spelled* target, const Spelled& patch) {
  const std::size_t begin = out.size();
  bool changes = false;
  if (patch.value.as_object() == nullptr) {
    changes = target == nullptr || !is_same(*target, patch);
    if (changes) out.append(source(patch));
  } else {
    out.push_back('{');
    changes = append_members(out, target, patch);
    out.push_back('}');
  }
  if (changes) return true;
  // The names of its members, too, stay as they were spelled.
  out.resize(begin);
  out.append(source(*target));
  return false;
}

}  // namespace

bool is_same(const Spelled& a, const Spelled& b) {
  if (a.value.type_name() != b.value.type_name()) return false;
  if (a.value.as_double() != nullptr) return is_same_number(a, b);
  if (const json::Array* array = a.value.as_array()) {
    const json::Array& other = *b.value.as_array();
    if (array->size() != other.size()) return false;
    for (std::size_t i = 0; i < array->size(); ++i)
      if (!is_same({(*array)[i], a.text}, {other[i], b.text})) return false;
    return true;
  }
  if (const json::Object* object = a.value.as_object()) {
    const json::Object& other = *b.value.as_object();
    if (object->size() != other.size()) return false;
    for (std::size_t i = 0; i < object->size(); ++i) {
      const auto& [name, value] = (*object)[i];
      if (name != other[i].first || !is_same({value, a.text}, {other[i].second, b.text})) return false;
    }
    return true;
  }
  return json::to_text(a.value) == json::to_text(b.value);
}

std::string merge_patch(const Spelled& target, const Spelled& patch) {
  std::string out;
  append_merged(out, &target, patch);
  return out;
}

json::Value difference(const Spelled& before, const Spelled& after) {
  const json::Object* old = before.value.as_object();
  const json::Object* now = after.value.as_object();
  static const json::Object kNone;
  // When members are added or removed, null counts as an object without members.
  if (old == nullptr && before.value.is_null() && now != nullptr) old = &kNone;
  if (now == nullptr && after.value.is_null() && old != nullptr) now = &kNone;
  if (old == nullptr || now == nullptr) return after.value;
  json::Object out;
  for (const auto& [name, value] : *now) {
    const json::Value* was = before.value.find(name);
    if (was == nullptr) {
      out.emplace_back(name, value);
      continue;
    }
    const Spelled from{*was, before.text};
    const Spelled to{value, after.text};
    if (!is_same(from, to)) out.emplace_back(name, difference(from, to));
  }
  for (const auto& [name, value] : *old)
    if (after.value.find(name) == nullptr) out.emplace_back(name, json::Value());
  return json::Value(std::move(out));
}

}  // namespace qarax::api
