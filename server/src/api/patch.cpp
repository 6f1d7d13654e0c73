#include "api/patch.hpp"

#include <utility>

#include "api/decode_body.hpp"
#include "api/merge.hpp"
#include "api/rules.hpp"
#include "api/vm.hpp"

namespace qarax::api {

namespace {

// A document with its text.
struct Parsed {
  std::string text;
  json::Value value;
  Spelled spelled() const { return {value, text}; }
};

Result<Parsed> parsed(std::string text) {
  QARAX_TRY(json::Value value, json::parse(text));
  return Parsed{std::move(text), std::move(value)};
}

template <class T>
Result<Parsed> parsed_document(const T& document) {
  return parsed(encode(document, Defaults::write));
}

// What `now` would be with `patch`, not yet decoded.
template <class T>
Result<Parsed> merged(std::string_view document, const T& now, const Spelled& patch) {
  QARAX_TRY(const Parsed before, parsed_document(now));
  auto after = parsed(merge_patch(before.spelled(), patch));
  if (!after) return std::move(after).error().context(document);
  return after;
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

Result<NewVm> patched(const NewVm& now, std::string_view body) {
  constexpr std::string_view kDocument = "VmPatch";
  QARAX_TRY(const json::Value patch, parse_patch(kDocument, body));
  QARAX_CHECK((check_writable<Vm, NewVm>(kDocument, patch)));
  QARAX_TRY(Parsed after, merged(kDocument, now, {patch, body}));
  // A client that never set max_vcpus apart from boot_vcpus doesn't have to start now: max_vcpus keeps following it.
  const bool follows = now.spec.max_vcpus == now.spec.boot_vcpus && patch.find("max_vcpus") == nullptr;
  if (follows)
    std::erase_if(*after.value.as_object(), [](const json::Member& one) { return one.first == "max_vcpus"; });
  return decode_vm_body(kDocument, after.value, after.text, now.spec.config.text);
}

Result<NewHost> patched(const NewHost& now, std::string_view body) {
  constexpr std::string_view kDocument = "HostPatch";
  QARAX_TRY(const json::Value patch, parse_patch(kDocument, body));
  QARAX_CHECK((check_writable<Host, NewHost>(kDocument, patch)));
  QARAX_TRY(const Parsed after, merged(kDocument, now, {patch, body}));
  return decode_host_body(kDocument, after.value);
}

std::vector<std::string> changed_members(const NewVm& before, const NewVm& after) {
  std::vector<std::string> out;
  add_names(out, before, after);
  return out;
}

Result<VmSpec> follow(const VmSpec& frozen, const VmSpec& before, const VmSpec& after) {
  QARAX_TRY(const Parsed was, parsed_document(before));
  QARAX_TRY(const Parsed now, parsed_document(after));
  const json::Value change = difference(was.spelled(), now.spelled());
  QARAX_TRY(const Parsed followed, merged(Fields<VmSpec>::kName, frozen, {change, now.text}));
  return decode<VmSpec>(followed.value, Unknown::ignore, followed.text);
}

}  // namespace qarax::api
