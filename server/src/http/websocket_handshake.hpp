// The begin of a WebSocket (RFC 6455 section 4), the server's side.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/live_body.hpp"
#include "http/problem.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::http {

// The refusal where the request is no handshake that this server can answer: 426 where it asks for no WebSocket or
// for another version, 400 where its key is none.
std::optional<Response> refuse_handshake(const Request& request);

// 101, and then `body`. The request has passed refuse_handshake().
Response accept_handshake(const Request& request, std::shared_ptr<LiveBody> body);

// What proves that the key was read: Sec-WebSocket-Accept.
std::string handshake_proof(std::string_view key);

}  // namespace qarax::http
