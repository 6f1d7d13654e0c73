// Every failure the REST API names, in one table: slug → status, title, hint. The slug is the end of the problem's
// `type` URI and stays stable forever; the OpenAPI document's catalogue is generated from this table.
#pragma once

#include <span>
#include <string_view>

#include "qarax/result.hpp"

namespace qarax::http {

inline constexpr std::string_view kProblemBase = "https://qarax.dev/problems/";

struct ProblemKind {  // NOLINT(clang-analyzer-optin.performance.Padding): in reading order
  std::string_view slug;
  int status;
  std::string_view title;
  std::string_view hint;  // what the caller can do, unless the occurrence has a hint of its own
  int retry_after_s = 0;  // sent as Retry-After unless the occurrence names another time; 0: none
};

std::span<const ProblemKind> problem_catalogue() noexcept;

// Returns `internal` for an unknown slug, which is a programming error.
const ProblemKind& problem_kind(std::string_view slug) noexcept;
bool is_problem_slug(std::string_view slug) noexcept;

// The slug for an error that has this code and no known reason.
std::string_view default_slug(Code code) noexcept;

}  // namespace qarax::http
