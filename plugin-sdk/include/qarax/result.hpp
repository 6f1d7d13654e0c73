// Result<T> = a value or an Error. Standard library only; used by the SDK and by everything above it.
// (std::expected is not in GCC 12's C++20: core/decisions/0002.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace qarax {

// gRPC's canonical codes, so that REST, gRPC, the plugin ABI and the command line agree (same numbers as qarax_code).
enum class Code : std::int32_t {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

// Converts a code from outside; an unknown number becomes `unknown`.
constexpr Code code_from_int(std::int32_t value) {
  return value >= 0 && value <= 16 ? static_cast<Code>(value) : Code::unknown;
}

std::string_view constexpr to_string(Code code) {
  constexpr std::string_view kNames[] = {
      "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
      "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
      "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
      "data_loss", "unauthenticated"};
  return kNames[static_cast<std::size_t>(code)];
}

// One thing that is wrong with a document; `pointer` is a JSON pointer ("/disks/2/size"), "" for the whole of it.
struct ErrorDetail {
  std::string pointer;
  std::string detail;
};

// `message` names the object, the reason and what the caller can do. `reason` is a stable slug for programs
// ("name-taken"), empty where the code says it all. Also the error document of the plugin ABI.
struct Error {
  Code code = Code::unknown;
  std::string message;
  std::vector<ErrorDetail> details;
  std::string reason;
  bool retryable = false;             // the same request, unchanged, may succeed later
  std::int64_t retry_after_ms = 0;    // how long to wait before that, in milliseconds; 0: not known
  std::string hint;                   // for people: what to do next, a sentence
  std::string log_tail;               // last lines of the log of the VMM that failed; empty: none
  std::string step{};                 // the step of the request that failed, such as "start-vmm"
  std::vector<std::string> causes{};  // the message of each layer before the next added its context, innermost last

  // Puts a layer's context in front of the message; call it once per layer.
  Error&& context(std::string_view prefix) && {
    causes.insert(causes.begin(), message);
    message.insert(0, ": ").insert(0, prefix);
    return std::move(*this);
  }
  // Sets the step, unless a deeper layer has set it.
  Error&& at_step(std::string_view name) && {
    if (step.empty()) step = name;
    return std::move(*this);
  }
};

inline Error make_error(Code code, std::string message, std::string reason = {}) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  error.reason = std::move(reason);
  return error;
}

struct Ok {};  // the value of a call that returns nothing

template <class T = Ok>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  bool ok() const { return state_.index() == 0; }

  // Check first: value() of an error and error() of a value throw std::bad_variant_access.
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<Ok>;

// `QARAX_TRY(auto x, call())`: x is the value, or the enclosing function returns the error. It expands to several
// statements: below an `if` or a loop it must stand in braces. QARAX_CHECK is the same without a value, and is a
// single statement.
#define QARAX_CONCAT_(a, b) a##b
#define QARAX_CONCAT(a, b) QARAX_CONCAT_(a, b)
#define QARAX_TRY(declaration, ...)                                                                      \
  auto QARAX_CONCAT(qarax_try_, __LINE__) = (__VA_ARGS__);                                               \
  if (!QARAX_CONCAT(qarax_try_, __LINE__)) return std::move(QARAX_CONCAT(qarax_try_, __LINE__)).error(); \
  declaration = std::move(QARAX_CONCAT(qarax_try_, __LINE__)).value()
#define QARAX_CHECK(...)                                       \
  do {                                                         \
    auto qarax_check_ = (__VA_ARGS__);                         \
    if (!qarax_check_) return std::move(qarax_check_).error(); \
  } while (false)

}  // namespace qarax
