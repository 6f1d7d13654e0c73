// Error ⇄ grpc::Status: the code as it is, the whole Error document in the details.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>

#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

inline grpc::Status to_status(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code), error.message, encode(error)};
}

// A gRPC deadline (wall clock, infinite when there is none) as CLOCK_MONOTONIC nanoseconds; 0: none.
inline std::int64_t monotonic_deadline(std::chrono::system_clock::time_point deadline) {
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return 0;
  return plugin::monotonic_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
}

}  // namespace qarax::agent
