// The opening handshake of a WebSocket (RFC 6455 section 4), the server's side.
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

// Returns the refusal of a request that isn't a valid handshake: 426 if it asks for no WebSocket or for another
// version, 400 if its key is malformed.
std::optional<Response> refuse_handshake(const Request& request);

// The 101 response, continued by `body`. The request must have passed refuse_handshake().
Response accept_handshake(const Request& request, std::shared_ptr<LiveBody> body);

// The Sec-WebSocket-Accept value, which proves that the server has read the key.
std::string handshake_proof(std::string_view key);

}  // namespace qarax::http
