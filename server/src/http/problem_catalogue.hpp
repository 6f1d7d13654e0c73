// Every failure the REST API names, in one table: slug → status, title, hint. The slug ends the problem's `type` URI
// and is stable for ever; the OpenAPI document's catalogue is made from this table.
#pragma once

#include <span>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::http {

inline constexpr std::string_view kProblemBase = "https://qarax.dev/problems/";

struct ProblemKind {  // NOLINT(clang-analyzer-optin.performance.Padding): in the order one reads it
  std::string_view slug;
  int status;
  std::string_view title;
  std::string_view hint;  // what the caller can do when the occurrence says nothing better
  int retry_after_s = 0;  // sent as Retry-After where the occurrence names no other time; 0: none
};

std::span<const ProblemKind> problem_catalogue() noexcept;

// An unknown slug is our own mistake and becomes `internal`.
const ProblemKind& problem_kind(std::string_view slug) noexcept;
bool is_problem_slug(std::string_view slug) noexcept;

// The kind that stands for an error which names no reason of its own.
std::string_view default_slug(Code code) noexcept;

}  // namespace qarax::http
