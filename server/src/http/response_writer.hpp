// Writes the head of a Response.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/response.hpp"

namespace qarax::http {

struct ReplyContext {
  std::string_view request_id;
  int minor_version = 1;
  bool keep_alive = true;
  std::size_t body_size = 0;
  bool chunked = false;  // a stream to an HTTP/1.1 client, also where HEAD asks for its head alone
};

// Appends the status line, the fields and the empty line. A field with a control character is left out, so that nothing
// a handler quotes from a client can start a second field or reply.
void append_head(std::string& out, const Response& response, const ReplyContext& context);

}  // namespace qarax::http
