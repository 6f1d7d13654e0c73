// The OpenAPI document as it is served; made at build time from server/api/openapi.yaml.
#pragma once

#include <string_view>

namespace qarax::api {

std::string_view openapi_json();
std::string_view api_version();  // its info.version

}  // namespace qarax::api
