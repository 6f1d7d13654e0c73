#include "handlers/console_attach.hpp"

#include "handlers/vm_reply.hpp"
#include "http/websocket.hpp"
#include "http/websocket_handshake.hpp"

namespace qarax::server {

Answer attach_console(const http::Request& request, const StoreReads& store, Operations& operations) {
  QARAX_TRY(const auto tail, size_of(request, "tail"));
  QARAX_TRY(const VmPtr vm, vm_of(request, store));
  if (auto refusal = http::refuse_handshake(request)) return *std::move(refusal);
  QARAX_TRY(auto peer, operations.attach_console(*vm, tail, request.request_id));
  return http::accept_handshake(request, std::make_shared<http::WebSocket>(std::move(peer), http::SocketLimits{}));
}

}  // namespace qarax::server
