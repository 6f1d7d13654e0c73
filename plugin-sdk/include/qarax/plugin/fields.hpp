// One field table per document type, and what is made from it: strict decoding with JSON-pointer errors, encoding that
// appends to a string, JSON Schema. A type is an aggregate struct whose member initialisers are the defaults:
//
//   struct Disk { std::string id; std::int64_t size = 0; };
//   template <> struct qarax::Fields<Disk> {
//     static constexpr std::string_view kName = "Disk";
//     static constexpr auto kTable = std::make_tuple(
//         field<&Disk::id>("id").required().doc("..."),
//         field<&Disk::size>("size").min(1).doc("Bytes."));
//   };
//   QARAX_FIELDS_COMPLETE(Disk);
//
// Member types: bool, int32_t, int64_t, double, std::string, RawJson, enums with an EnumNames table, document structs,
// std::vector and std::optional of those, std::map<std::string, std::string>. `null` decodes only into an optional or
// RawJson.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax {

template <class T>
struct Fields;  // specialised per document type

// An enum on the wire: its names in order of value from 0. Specialise as `static constexpr std::string_view kNames[]`
// and kUnknown, the value that a name from a newer plugin becomes.
template <class E>
struct EnumNames;

// Any JSON value, kept as text; "null" when absent. Decoded from a text it keeps the spelling of numbers and strings;
// white space between tokens goes, so that it stays one line.
struct RawJson {
  std::string text = "null";
  bool operator==(const RawJson&) const = default;
};

template <class T>
concept Document = requires {
  Fields<T>::kTable;
};

enum class Unknown { refuse, ignore };  // what decoding does with a member or enum value that it doesn't know
enum class Defaults { omit, write };    // what encoding does with a member that has its default

// ---- the table ----

template <auto M>
struct MemberOf;
template <class C, class T, T C::*M>
struct MemberOf<M> {
  using Class = C;
  using Type = T;
};

template <auto Member>
struct Field {
  using Class = typename MemberOf<Member>::Class;
  using Type = typename MemberOf<Member>::Type;
  static constexpr auto kMember = Member;

  std::string_view name;
  std::string_view doc_text{};
  std::string_view since_version = "0.9";
  std::string_view pattern_text{};  // for the schema's reader, e.g. "uuid"
  std::int64_t min_value = std::numeric_limits<std::int64_t>::min();
  std::int64_t max_value = std::numeric_limits<std::int64_t>::max();
  bool is_required = false;  // decoding fails without it
  bool is_nullable = false;  // an optional that is always written, as null when empty
  bool is_flat = false;      // a document struct whose members stand in the parent

  constexpr Field doc(std::string_view text) const {
    auto f = *this;
    f.doc_text = text;
    return f;
  }
  constexpr Field since(std::string_view version) const {
    auto f = *this;
    f.since_version = version;
    return f;
  }
  constexpr Field format(std::string_view text) const {
    auto f = *this;
    f.pattern_text = text;
    return f;
  }
  constexpr Field min(std::int64_t value) const {
    auto f = *this;
    f.min_value = value;
    return f;
  }  // of a string: its length; of an array: how many
  constexpr Field max(std::int64_t value) const {
    auto f = *this;
    f.max_value = value;
    return f;
  }
  constexpr Field required() const {
    auto f = *this;
    f.is_required = true;
    return f;
  }
  constexpr Field nullable() const {
    auto f = *this;
    f.is_nullable = true;
    return f;
  }
  constexpr Field flat() const {
    auto f = *this;
    f.is_flat = true;
    return f;
  }
};

template <auto Member>
constexpr Field<Member> field(std::string_view name) {
  return Field<Member>{name};
}

namespace detail {

struct AnyMember {
  template <class T>
  operator T() const noexcept;
};
template <std::size_t>
using AnyMemberAt = AnyMember;
template <class T, class... A>
concept BraceInitialisable = requires {
  T{std::declval<A>()...};
};
template <class T, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return BraceInitialisable<T, AnyMemberAt<I>...>;
}
template <class T, std::size_t N = 0>
constexpr std::size_t member_count() {
  if constexpr (!takes<T>(std::make_index_sequence<N + 1>{}))
    return N;
  else
    return member_count<T, N + 1>();
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
const T& defaults_of() {
  static const T value{};
  return value;
}

template <class T, class F>
void for_each_field(F&& f) {
  std::apply([&](const auto&... fields) { (f(fields), ...); }, Fields<T>::kTable);
}

}  // namespace detail

// Fails to compile when a member of the struct has no row in its table.
#define QARAX_FIELDS_COMPLETE(T)                                                                \
  static_assert(std::tuple_size_v<std::remove_cvref_t<decltype(::qarax::Fields<T>::kTable)>> == \
                    ::qarax::detail::member_count<T>(),                                         \
                "a member of " #T " is missing from its field table")

// ---- encoding ----

template <class T>
void encode_to(std::string& out, const T& value, Defaults defaults);

namespace detail {

template <class T>
bool encode_members(std::string& out, const T& value, Defaults defaults, bool first);

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (Document<T>) {
    bool equal = true;
    for_each_field<T>([&](const auto& f) { equal = equal && same(a.*(f.kMember), b.*(f.kMember)); });
    return equal;
  } else if constexpr (IsVector<T>::value) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!same(a[i], b[i])) return false;
    return true;
  } else if constexpr (IsOptional<T>::value) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
  } else {
    return a == b;
  }
}

template <class T>
bool encode_members(std::string& out, const T& value, Defaults defaults, bool first) {
  for_each_field<T>([&](const auto& f) {
    const auto& member = value.*(f.kMember);
    using M = std::remove_cvref_t<decltype(member)>;
    if constexpr (Document<M>) {
      if (f.is_flat) {
        first = encode_members(out, member, defaults, first);
        return;
      }
    }
    if constexpr (IsOptional<M>::value) {
      if (!member && !(f.is_nullable && defaults == Defaults::write)) return;
    }
    if (defaults == Defaults::omit && !f.is_required && same(member, defaults_of<T>().*(f.kMember))) return;
    if (!first) out.push_back(',');
    first = false;
    out.push_back('"');
    out.append(f.name);
    out.append("\":");
    encode_to(out, member, defaults);
  });
  return first;
}

}  // namespace detail

template <class T>
void encode_to(std::string& out, const T& value, Defaults defaults) {
  if constexpr (std::is_same_v<T, bool>) {
    out.append(value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    json::append_string(out, EnumNames<T>::kNames[static_cast<std::size_t>(value)]);
  } else if constexpr (std::is_integral_v<T>) {
    json::append_int(out, static_cast<std::int64_t>(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    json::append_double(out, value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    json::append_string(out, value);
  } else if constexpr (std::is_same_v<T, RawJson>) {
    out.append(value.text.empty() ? "null" : value.text);
  } else if constexpr (detail::IsOptional<T>::value) {
    if (value)
      encode_to(out, *value, defaults);
    else
      out.append("null");
  } else if constexpr (detail::IsVector<T>::value) {
    out.push_back('[');
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i != 0) out.push_back(',');
      encode_to(out, value[i], defaults);
    }
    out.push_back(']');
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    out.push_back('{');
    bool first = true;
    for (const auto& [key, text] : value) {
      if (!first) out.push_back(',');
      first = false;
      json::append_string(out, key);
      out.push_back(':');
      json::append_string(out, text);
    }
    out.push_back('}');
  } else {
    static_assert(Document<T>, "no field table for this type");
    out.push_back('{');
    detail::encode_members(out, value, defaults, true);
    out.push_back('}');
  }
}

template <class T>
std::string encode(const T& value, Defaults defaults = Defaults::omit) {
  std::string out;
  encode_to(out, value, defaults);
  return out;
}

// ---- decoding ----

namespace detail {

class Decoder {
 public:
  // `source`: the text that the values were parsed from, empty when it isn't at hand.
  explicit Decoder(Unknown unknown, std::string_view source = {}) : unknown_(unknown), source_(source) {}
  std::vector<ErrorDetail> problems;

  void problem(const std::string& pointer, std::string text) { problems.push_back({pointer, std::move(text)}); }

  template <class T>
  void read(const json::Value& in, T& out, const std::string& pointer) {
    if constexpr (std::is_same_v<T, bool>) {
      if (const auto* b = in.as_bool())
        out = *b;
      else
        expected(pointer, "a boolean", in);
    } else if constexpr (std::is_enum_v<T>) {
      read_enum(in, out, pointer);
    } else if constexpr (std::is_integral_v<T>) {
      const auto* i = in.as_int();
      if (i == nullptr) return expected(pointer, "an integer", in);
      if (*i < std::numeric_limits<T>::min() || *i > std::numeric_limits<T>::max())
        return problem(pointer, std::to_string(*i) + " doesn't fit into " + std::to_string(sizeof(T) * 8) + " bits");
      out = static_cast<T>(*i);
    } else if constexpr (std::is_floating_point_v<T>) {
      if (const auto* d = in.as_double())
        out = *d;
      else if (const auto* i = in.as_int())
        out = static_cast<T>(*i);
      else
        expected(pointer, "a number", in);
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (const auto* s = in.as_string())
        out = *s;
      else
        expected(pointer, "a string", in);
    } else if constexpr (std::is_same_v<T, RawJson>) {
      out.text = json::source_text(in, source_);
    } else if constexpr (IsOptional<T>::value) {
      if (in.is_null())
        out.reset();
      else
        read(in, out.emplace(), pointer);
    } else if constexpr (IsVector<T>::value) {
      const auto* array = in.as_array();
      if (array == nullptr) return expected(pointer, "an array", in);
      out.clear();
      for (std::size_t i = 0; i < array->size(); ++i)
        read((*array)[i], out.emplace_back(), json::pointer_to(pointer, std::to_string(i)));
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
      const auto* object = in.as_object();
      if (object == nullptr) return expected(pointer, "an object", in);
      out.clear();
      for (const auto& [key, value] : *object) read(value, out[key], json::pointer_to(pointer, key));
    } else {
      static_assert(Document<T>, "no field table for this type");
      const auto* object = in.as_object();
      if (object == nullptr) return expected(pointer, "an object", in);
      read_members(in, out, pointer);
      if (unknown_ == Unknown::refuse)
        for (const auto& member : *object)
          if (!knows<T>(member.first)) problem(json::pointer_to(pointer, member.first), "unknown member");
    }
  }

 private:
  void expected(const std::string& pointer, std::string_view what, const json::Value& in) {
    std::string text = "expected ";
    text.append(what).append(", got ").append(in.as_double() != nullptr && what == "an integer"
                                                  ? "a number that isn't a whole one in range"
                                                  : in.type_name());
    problem(pointer, std::move(text));
  }

  template <class E>
  void read_enum(const json::Value& in, E& out, const std::string& pointer) {
    const auto* text = in.as_string();
    if (text == nullptr) return expected(pointer, "a string", in);
    std::string known;
    for (std::size_t i = 0; i < std::size(EnumNames<E>::kNames); ++i) {
      if (EnumNames<E>::kNames[i] == *text) {
        out = static_cast<E>(i);
        return;
      }
      known.append(i == 0 ? "" : ", ").append(EnumNames<E>::kNames[i]);
    }
    if (unknown_ == Unknown::ignore)
      out = EnumNames<E>::kUnknown;
    else
      problem(pointer, "\"" + *text + "\" is not one of " + known);
  }

  template <class T>
  static bool knows(std::string_view name) {
    bool found = false;
    for_each_field<T>([&](const auto& f) {
      using M = typename std::remove_cvref_t<decltype(f)>::Type;
      if constexpr (Document<M>) {
        if (f.is_flat) {
          found = found || knows<M>(name);
          return;
        }
      }
      found = found || f.name == name;
    });
    return found;
  }

  template <class F, class M>
  void check_bounds(const F& f, const M& member, const std::string& pointer) {
    if constexpr (IsOptional<M>::value) {
      if (member) check_bounds(f, *member, pointer);
    } else if constexpr (std::is_integral_v<M> && !std::is_same_v<M, bool>) {
      if (member < f.min_value)
        problem(pointer, std::to_string(member) + " is below the minimum of " + std::to_string(f.min_value));
      if (member > f.max_value)
        problem(pointer, std::to_string(member) + " is above the maximum of " + std::to_string(f.max_value));
    } else if constexpr (std::is_same_v<M, std::string>) {
      const auto length = static_cast<std::int64_t>(member.size());
      if (length < f.min_value)
        problem(pointer,
                member.empty() ? "must not be empty" : "shorter than " + std::to_string(f.min_value) + " bytes");
      if (length > f.max_value) problem(pointer, "longer than " + std::to_string(f.max_value) + " bytes");
    } else if constexpr (IsVector<M>::value) {
      const auto count = static_cast<std::int64_t>(member.size());
      if (count < f.min_value)
        problem(pointer,
                "has " + std::to_string(count) + " elements, at least " + std::to_string(f.min_value) + " are needed");
      if (count > f.max_value)
        problem(pointer, "has " + std::to_string(count) + " elements, at most " + std::to_string(f.max_value) + " fit");
    }
  }

  template <class T>
  void read_members(const json::Value& in, T& out, const std::string& pointer) {
    for_each_field<T>([&](const auto& f) {
      auto& member = out.*(f.kMember);
      using M = std::remove_cvref_t<decltype(member)>;
      if constexpr (Document<M>) {
        if (f.is_flat) return read_members(in, member, pointer);
      }
      const json::Value* value = in.find(f.name);
      const std::string inner = json::pointer_to(pointer, f.name);
      if (value == nullptr) {
        if (f.is_required) problem(inner, "is required");
        return;
      }
      const std::size_t before = problems.size();
      read(*value, member, inner);
      if (problems.size() == before) check_bounds(f, member, inner);
    });
  }

  Unknown unknown_;
  std::string_view source_;
};

}  // namespace detail

// All problems are reported, not only the first. INVALID_ARGUMENT; reason "bad-json" (no JSON) or "validation".
// `source`: the text that `in` was parsed from, where RawJson members should keep its spelling.
template <class T>
Result<T> decode(const json::Value& in, Unknown unknown = Unknown::refuse, std::string_view source = {}) {
  T out{};
  detail::Decoder decoder(unknown, source);
  decoder.read(in, out, "");
  if (decoder.problems.empty()) return out;
  const auto& first = decoder.problems.front();
  Error error = make_error(
      Code::invalid_argument,
      std::string(Fields<T>::kName) + " " + (first.pointer.empty() ? "document" : first.pointer) + ": " + first.detail,
      "validation");
  if (decoder.problems.size() > 1) error.message += " (and " + std::to_string(decoder.problems.size() - 1) + " more)";
  error.details = std::move(decoder.problems);
  return error;
}

template <class T>
Result<T> decode(std::string_view text, Unknown unknown = Unknown::refuse) {
  auto parsed = json::parse(text);
  if (!parsed) return std::move(parsed).error().context(Fields<T>::kName);
  return decode<T>(*parsed, unknown, text);
}

}  // namespace qarax
