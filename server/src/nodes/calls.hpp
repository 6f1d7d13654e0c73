// What every call to a node needs.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdint>

#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/json/text.hpp"
#include "qarax/result.hpp"

namespace qarax::server {

inline std::chrono::system_clock::time_point in_ms(std::int64_t ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

// The node's own Error where it sent one, else what gRPC says.
inline Error to_error(const grpc::Status& status) {
  if (auto error = decode_error(status.error_details()); error && error->code != Code::unknown)
    return std::move(*error);
  // Percent-decoded by gRPC, from whoever answers there: what is written down has to be text.
  return make_error(code_from_int(status.error_code()), json::repair_utf8(status.error_message()));
}

}  // namespace qarax::server
