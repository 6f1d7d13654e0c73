// The check that every handler with a JSON body starts with.
#pragma once

#include "http/request.hpp"
#include "qarax/result.hpp"

namespace qarax::http {

enum class BodyRule { optional, required };

// INVALID_ARGUMENT "unsupported-media-type" (415) for a body whose Content-Type is neither application/json nor …+json,
// or whose charset isn't UTF-8, and "bad-json" (400) for a required body that is missing. An absent or empty body needs
// no Content-Type.
Status check_json_body(const Request& request, BodyRule rule = BodyRule::required);

}  // namespace qarax::http
