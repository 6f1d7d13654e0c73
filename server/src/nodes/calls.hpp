// Helpers for calls to nodes.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>

#include "node_words.hpp"
#include "qarax/core/cut.hpp"
#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/json/text.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

// A node that is up answers Hello and its first survey within this; one that doesn't is asked again later.
constexpr std::int64_t kGreetMs = 5'000;

inline std::chrono::system_clock::time_point in_ms(std::int64_t ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

// The node's own Error if it sent one, else gRPC's.
inline Error to_error(const grpc::Status& status) {
  if (auto error = read_error(status.error_details()); error && error->code != Code::unknown) return std::move(*error);
  // gRPC percent-decodes this text from whoever answers there; what is stored must be valid UTF-8.
  return make_error(code_from_int(status.error_code()), core::cut_text(json::repair_utf8(status.error_message())));
}

// The same for queries, which have no job whose end could still be awaited. If the node itself sent no Error:
// UNAVAILABLE "node-unreachable", except for the codes that gRPC can't mistake (unimplemented, unauthenticated).
inline Error to_read_error(const grpc::Status& status) {
  Error error = to_error(status);
  if (decode_error(status.error_details()) || error.code == Code::unimplemented || error.code == Code::unauthenticated)
    return error;
  const bool is_late = error.code == Code::deadline_exceeded;
  return make_error(Code::unavailable,
                    is_late ? "its node didn't answer in time" : "its node can't be reached: " + error.message,
                    "node-unreachable");
}

}  // namespace qarax::server
