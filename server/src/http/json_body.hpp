// The check every handler with a JSON body starts with.
#pragma once

#include <optional>

#include "http/problem.hpp"
#include "http/request.hpp"

namespace qarax::http {

enum class BodyRule { optional, required };

// 415 for a body whose Content-Type is neither application/json nor …+json (a charset other than UTF-8 included), 400
// for a required body that is missing. An absent or empty body needs no Content-Type.
std::optional<Problem> check_json_body(const Request& request, BodyRule rule = BodyRule::required);

}  // namespace qarax::http
