// What a document must be beyond its field table. Each adds to `out` what is wrong, with a JSON pointer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/vm_spec.hpp"

namespace qarax::api {

using Problems = std::vector<ErrorDetail>;

// Names go into paths, command lines and logs of other programs, so they are safe there by construction.
bool is_safe_name(std::string_view name);
void check_name(Problems& out, std::string_view pointer, std::string_view name);

// Text for people: it is shown on terminals, where other control characters than line ends and tabs are commands.
void check_text(Problems& out, std::string_view pointer, std::string_view text);

// Each tag's characters and length, and none twice.
bool is_tag(std::string_view tag);
void check_tags(Problems& out, std::string_view pointer, const std::vector<std::string>& tags);

// UUID, any case.
void check_uuid(Problems& out, std::string_view pointer, std::string_view text);

// A DNS name, an IPv4 or an IPv6 address (bare or in brackets).
void check_address(Problems& out, std::string_view pointer, std::string_view address);

// vCPUs against each other and the topology, huge pages, sums that must fit.
void check_spec(Problems& out, const VmSpec& spec);

// No document names a file of the host: refuses every string (also as member name) that is an absolute or home path, a
// file: URL, or climbs with "..".
void check_no_host_path(Problems& out, const std::string& pointer, const json::Value& value);

// INVALID_ARGUMENT "validation", worded like the codec's own.
Error validation_error(std::string_view document, Problems problems);

}  // namespace qarax::api
