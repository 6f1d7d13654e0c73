// X-Request-Id: the client's own id if it is usable, else a new one.
#pragma once

#include <string>
#include <string_view>

namespace qarax::http {

// Whether `id` is 1–128 visible ASCII characters.
bool is_usable_request_id(std::string_view id) noexcept;

// Writes a fresh random id (a version 4 UUID) into `out`. Any thread; no lock.
void make_request_id(std::string& out);

}  // namespace qarax::http
