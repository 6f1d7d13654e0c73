// Small byte-level helpers of the HTTP layer. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace qarax::http {

// ASCII case-insensitive comparison, as header names and hosts need it; other bytes compare as they are.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

// A character of an RFC 9110 token (method, header name).
bool is_token_char(char c) noexcept;

std::string_view trim_blanks(std::string_view text) noexcept;

// Length of the well-formed UTF-8 sequence at `text[at]` (1–4), 0 where it is malformed, overlong or a surrogate.
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept;
bool is_utf8(std::string_view text) noexcept;

// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, because what a client
// sent is quoted back in problem documents.
void append_json_text(std::string& out, std::string_view text);

// For one value of a query: all but unreserved characters as %XX.
std::string percent_encoded(std::string_view text);

// 0–15, or -1.
int hex_value(char c) noexcept;

}  // namespace qarax::http
