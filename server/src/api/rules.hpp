// Checks of documents beyond their field tables. Each function adds the problems to `out`, with JSON pointers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/vm_spec.hpp"

namespace qarax::api {

using Problems = std::vector<ErrorDetail>;

// Names end up in paths, command lines and logs of other programs, so only characters that are safe there are allowed.
bool is_safe_name(std::string_view name);
void check_name(Problems& out, std::string_view pointer, std::string_view name);

// Free text is shown on terminals, which obey control characters: only line ends and tabs are allowed.
void check_text(Problems& out, std::string_view pointer, std::string_view text);

// Checks the characters and length of each tag, and that there are no duplicates.
bool is_tag(std::string_view tag);
void check_tags(Problems& out, std::string_view pointer, const std::vector<std::string>& tags);

// A UUID in upper or lower case.
void check_uuid(Problems& out, std::string_view pointer, std::string_view text);

// A DNS name, an IPv4 or an IPv6 address (bare or in brackets).
void check_address(Problems& out, std::string_view pointer, std::string_view address);

// Checks vCPU numbers against each other and the topology, huge pages, and sums that must not overflow.
void check_spec(Problems& out, const VmSpec& spec);

// A document must not name a file of the host: refuses every string and member name that is an absolute or home path or
// a file: URL, or that has a ".." segment.
void check_no_host_path(Problems& out, const std::string& pointer, const json::Value& value);

// A VM's `config` is put into the start command, the node's journal and the plugin's answers, which have their own
// limits.
constexpr int kMaxConfigDepth = 48;
void check_depth(Problems& out, const std::string& pointer, const json::Value& value);

// INVALID_ARGUMENT "validation", worded like the codec's own.
Error validation_error(std::string_view document, Problems problems);

}  // namespace qarax::api
