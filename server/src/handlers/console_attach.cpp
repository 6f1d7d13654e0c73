#include "handlers/console_attach.hpp"

#include "handlers/vm_reply.hpp"
#include "http/websocket.hpp"
#include "http/websocket_handshake.hpp"

namespace qarax::server {

http::Response attach_console(const http::Request& request, const StoreReads& store, Operations& operations) {
  auto tail = size_of(request, "tail");
  if (!tail) return refuse(request, std::move(tail).error());
  return with_vm(request, store, [&](const VmPtr& vm) {
    if (auto refusal = http::refuse_handshake(request)) return std::move(*refusal);
    auto peer = operations.attach_console(*vm, *tail, request.request_id);
    if (!peer) return refuse(request, std::move(peer).error());
    return http::accept_handshake(request, std::make_shared<http::WebSocket>(std::move(*peer), http::SocketLimits{}));
  });
}

}  // namespace qarax::server
