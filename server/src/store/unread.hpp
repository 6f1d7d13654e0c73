// Members of JSON objects that a newer server wrote and this one doesn't know, at any depth but not inside arrays. They
// are kept beside the record and written back with it, so that running an older server in between loses nothing. This
// covers documents that are changed in part: the requested spec, the frozen machine, the restart policy. Desired and
// observed states are rewritten as a whole each time, where an old member beside a new one would be wrong. Unknown
// members are only stored: the server doesn't act on them or send them to nodes.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "qarax/plugin/fields.hpp"

namespace qarax::server {

// JSON objects that hold only the unknown members; empty: there are none, which is nearly always so.
struct Unread {
  std::string spec;
  std::string resolved;
  std::string restart;
};

namespace unread {

namespace detail {

template <class T>
void collect(const json::Object& in, std::string_view source, std::string& out);

template <class T>
bool take_known(const json::Member& member, std::string_view source, std::string& out) {
  bool known = false;
  const auto look = [&](const auto& f) {
    using M = typename qarax::detail::Bare<typename std::remove_cvref_t<decltype(f)>::Type>::Type;
    if constexpr (Document<M>) {
      if (f.is_flat) {
        known = known || take_known<M>(member, source, out);
        return;
      }
    }
    if (f.name != member.first) return;
    known = true;
    if constexpr (Document<M>)
      if (const json::Object* object = member.second.as_object()) {
        std::string inner;
        collect<M>(*object, source, inner);
        if (inner.empty()) return;
        out.append(out.empty() ? "{" : ",");
        json::append_string(out, member.first);
        out.append(":").append(inner);
      }
  };
  qarax::detail::for_each_field<T>(look);
  return known;
}

template <class T>
void collect(const json::Object& in, std::string_view source, std::string& out) {
  for (const json::Member& member : in) {
    if (take_known<T>(member, source, out)) continue;
    out.append(out.empty() ? "{" : ",");
    json::append_string(out, member.first);
    out.append(":").append(json::source_text(member.second, source));
  }
  if (!out.empty()) out.push_back('}');
}

}  // namespace detail

// The unknown members of a document of type T; `source` is the text that it was parsed from.
template <class T>
std::string of(const json::Value& document, std::string_view source) {
  std::string out;
  if (const json::Object* object = document.as_object()) detail::collect<T>(*object, source, out);
  return out;
}

// Adds the unknown members to `document`, which must have been written with all its known members. Those of an object
// that is null by now are dropped.
std::string with(std::string document, const std::string& members);

}  // namespace unread
}  // namespace qarax::server
