// The rows of a field table, and the compile-time questions about the types in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace qarax {

template <class T>
struct Fields;  // specialised per document type

// Names of an enum on the wire. Specialise with `static constexpr std::string_view kNames[]`, in order of value from 0,
// and kUnknown, the value for a name that isn't known, as of a newer plugin. With `static constexpr bool kOpen = true`
// the schema lists no names: generated clients refuse names that they don't list, so they couldn't read later ones.
template <class E>
struct EnumNames;

// The value of that name; nullopt: there is none.
template <class E>
constexpr std::optional<E> enum_named(std::string_view name) {
  for (std::size_t i = 0; i < std::size(EnumNames<E>::kNames); ++i)
    if (EnumNames<E>::kNames[i] == name) return static_cast<E>(i);
  return std::nullopt;
}

// Any JSON value, kept as text; "null" when absent. Decoding a text keeps the spelling of numbers and strings, and
// drops white space between tokens, so that the value stays on one line.
struct RawJson {
  std::string text = "null";
  bool operator==(const RawJson&) const = default;
};

template <class T>
concept Document = requires {
  Fields<T>::kTable;
};

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
  std::string_view pattern_text{};  // "format" of the JSON Schema, e.g. "uuid"; decoding doesn't check it
  std::int64_t min_value = std::numeric_limits<std::int64_t>::min();
  std::int64_t max_value = std::numeric_limits<std::int64_t>::max();
  bool is_required = false;  // decoding fails without it
  bool is_nullable = false;  // an empty optional is written as null, where defaults are written
  bool is_flat = false;      // a document struct whose members become members of the parent document

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
  }  // min and max bound a number, the characters of a string, or the elements of an array
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
template <std::size_t I, class F>
struct Row {
  F field;
};
template <class Indices, class... F>
struct Rows;
template <std::size_t... I, class... F>
struct Rows<std::index_sequence<I...>, F...> : Row<I, F>... {
  static constexpr std::size_t kSize = sizeof...(F);

  constexpr explicit Rows(const F&... fields) : Row<I, F>{fields}... {}
  template <class G>
  constexpr void for_each(G& g) const {
    (g(static_cast<const Row<I, F>&>(*this).field), ...);
  }
};
}  // namespace detail

// The rows of a table, in the order of the document. A std::tuple would do too, but makes every build half as long
// again.
template <class... F>
constexpr auto field_table(const F&... fields) {
  return detail::Rows<std::index_sequence_for<F...>, F...>(fields...);
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
// Two checks in all, not one per member: they are a large part of the compiler's work.
template <class T, std::size_t N>
constexpr bool has_members() {
  return takes<T>(std::make_index_sequence<N>{}) && !takes<T>(std::make_index_sequence<N + 1>{});
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
// The type inside an optional; any other type as it is.
template <class T>
struct Bare {
  using Type = T;
};
template <class T>
struct Bare<std::optional<T>> {
  using Type = T;
};

template <class T, class F>
void for_each_field(F&& f) {
  Fields<T>::kTable.for_each(f);
}

}  // namespace detail

// Fails to compile when a member of the struct has no row in its table.
#define QARAX_FIELDS_COMPLETE(T)                                                                \
  static_assert(::qarax::detail::has_members<T, decltype(::qarax::Fields<T>::kTable)::kSize>(), \
                "a member of " #T " is missing from its field table")

}  // namespace qarax
