// The request target: path and query, decoded once and checked.
#pragma once

#include <optional>
#include <string_view>

#include "http/head_parser.hpp"
#include "http/request.hpp"

namespace qarax::http {

// Fills request.target, path and query from an origin-form target ("/vms?limit=5") or "*".
std::optional<Fault> parse_target(std::string_view target, Request& request);

}  // namespace qarax::http
