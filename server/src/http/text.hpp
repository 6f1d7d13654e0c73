// Small byte-level helpers of the HTTP layer. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace qarax::http {

// ASCII case-insensitive comparison, for header names and hosts; other bytes must be equal.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

// Whether `c` may stand in an RFC 9110 token (method, header name).
bool is_token_char(char c) noexcept;

std::string_view trim_blanks(std::string_view text) noexcept;

// Bytes of the well-formed UTF-8 sequence at `text[at]` (1–4), 0 if it is malformed, overlong or a surrogate.
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept;
bool is_utf8(std::string_view text) noexcept;

// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, because problem documents
// quote what a client sent.
void append_json_text(std::string& out, std::string_view text);

// Encodes one value of a query: all but unreserved characters as %XX.
std::string percent_encoded(std::string_view text);

// The value of a hex digit (0–15), or -1.
int hex_value(char c) noexcept;

}  // namespace qarax::http
