#include "api/patch.hpp"

#include <algorithm>

#include "api/decode_body.hpp"
#include "api/rules.hpp"
#include "api/vm.hpp"

namespace qarax::api {

namespace {

json::Value* find_member(json::Object& object, std::string_view key) {
  const auto found =
      std::find_if(object.begin(), object.end(), [&](const json::Member& member) { return member.first == key; });
  return found == object.end() ? nullptr : &found->second;
}

template <class T>
json::Value value_of(const T& document) {
  auto parsed = json::parse(encode(document, Defaults::write));
  return parsed ? std::move(*parsed) : json::Value();
}

template <class T>
void add_names(std::vector<std::string>& out, const T& before, const T& after) {
  detail::for_each_field<T>([&](const auto& f) {
    using M = typename std::remove_cvref_t<decltype(f)>::Type;
    const auto& a = before.*(f.kMember);
    const auto& b = after.*(f.kMember);
    if constexpr (Document<M>) {
      if (f.is_flat) return add_names<M>(out, a, b);
    }
    if (!detail::same(a, b)) out.emplace_back(f.name);
  });
}

template <class T>
bool has_member(std::string_view name) {
  bool found = false;
  detail::for_each_field<T>([&](const auto& f) { found = found || (!f.name.empty() && f.name == name); });
  return found;
}

// Refuses members that only the server writes, e.g. of a whole document that a client read, changed and sent back.
template <class Shown, class Written>
Status check_writable(std::string_view document, const json::Value& patch) {
  Problems problems;
  for (const auto& [name, value] : *patch.as_object())
    if (has_member<Shown>(name) && !has_member<Written>(name))
      problems.push_back({json::pointer_to("", name), "is the server's to write; leave it out"});
  if (problems.empty()) return Ok{};
  return validation_error(document, std::move(problems));
}

Result<json::Value> parse_patch(std::string_view document, std::string_view body) {
  auto parsed = json::parse(body);
  if (!parsed) return std::move(parsed).error().context(document);
  if (parsed->as_object() == nullptr)
    return validation_error(
        document, {{"", "expected an object of the members to change, got " + std::string(parsed->type_name())}});
  return std::move(*parsed);
}

}  // namespace

json::Value merge_patch(json::Value target, const json::Value& patch) {
  const json::Object* changes = patch.as_object();
  if (changes == nullptr) return patch;
  if (target.as_object() == nullptr) target = json::Value(json::Object());
  json::Object& members = *target.as_object();
  for (const auto& [name, value] : *changes) {
    json::Value* member = find_member(members, name);
    if (value.is_null())
      std::erase_if(members, [&key = name](const json::Member& one) { return one.first == key; });
    else if (member != nullptr)
      *member = merge_patch(std::move(*member), value);
    else
      members.emplace_back(name, merge_patch(json::Value(), value));
  }
  return target;
}

json::Value difference(const json::Value& before, const json::Value& after) {
  const json::Object* old = before.as_object();
  const json::Object* now = after.as_object();
  static const json::Object kNone;
  // When members are added or removed, null counts as an object without members.
  if (old == nullptr && before.is_null() && now != nullptr) old = &kNone;
  if (now == nullptr && after.is_null() && old != nullptr) now = &kNone;
  if (old == nullptr || now == nullptr) return after;
  json::Object out;
  for (const auto& [name, value] : *now) {
    const json::Value* was = before.find(name);
    if (was != nullptr && json::to_text(*was) == json::to_text(value)) continue;
    out.emplace_back(name, was == nullptr ? value : difference(*was, value));
  }
  for (const auto& [name, value] : *old)
    if (after.find(name) == nullptr) out.emplace_back(name, json::Value());
  return json::Value(std::move(out));
}

Result<NewVm> patched(const NewVm& now, std::string_view body) {
  constexpr std::string_view kDocument = "VmPatch";
  QARAX_TRY(const json::Value patch, parse_patch(kDocument, body));
  QARAX_CHECK((check_writable<Vm, NewVm>(kDocument, patch)));
  json::Value merged = merge_patch(value_of(now), patch);
  // A client that never set max_vcpus apart from boot_vcpus doesn't have to start now: max_vcpus keeps following it.
  const bool follows = now.spec.max_vcpus == now.spec.boot_vcpus && patch.find("max_vcpus") == nullptr;
  if (follows) std::erase_if(*merged.as_object(), [](const json::Member& one) { return one.first == "max_vcpus"; });
  return decode_vm_body(kDocument, merged, {});
}

Result<NewHost> patched(const NewHost& now, std::string_view body) {
  constexpr std::string_view kDocument = "HostPatch";
  QARAX_TRY(const json::Value patch, parse_patch(kDocument, body));
  QARAX_CHECK((check_writable<Host, NewHost>(kDocument, patch)));
  return decode_host_body(kDocument, merge_patch(value_of(now), patch));
}

std::vector<std::string> changed_members(const NewVm& before, const NewVm& after) {
  std::vector<std::string> out;
  add_names(out, before, after);
  return out;
}

Result<VmSpec> follow(const VmSpec& frozen, const VmSpec& before, const VmSpec& after) {
  return decode<VmSpec>(merge_patch(value_of(frozen), difference(value_of(before), value_of(after))), Unknown::ignore);
}

}  // namespace qarax::api
