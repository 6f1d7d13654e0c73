// The check that every handler with a JSON body starts with.
#pragma once

#include <optional>

#include "http/problem.hpp"
#include "http/request.hpp"

namespace qarax::http {

enum class BodyRule { optional, required };

// Returns 415 for a body whose Content-Type is neither application/json nor …+json, or whose charset isn't UTF-8, and
// 400 for a required body that is missing. An absent or empty body needs no Content-Type.
std::optional<Problem> check_json_body(const Request& request, BodyRule rule = BodyRule::required);

}  // namespace qarax::http
