// Error ⇄ grpc::Status: the code as it is, the Error document in the details.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>

#include "qarax/core/cut.hpp"
#include "qarax/plugin/call.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

// Message and details travel as metadata, of which gRPC takes 8 KiB on each side. What has more is told to the caller
// as a broken connection. On the wire a byte of the message becomes three where it isn't ASCII, and three of the
// details become four.
inline constexpr std::size_t kLongestMessage = 512;
inline constexpr std::size_t kLongestDetails = 4096;

inline grpc::Status to_status(Error error) {
  core::cut_to_fit(error, kLongestDetails);
  return {static_cast<grpc::StatusCode>(error.code), core::cut_text(error.message, kLongestMessage), encode(error)};
}

// A gRPC deadline (wall clock, infinite when there is none) as CLOCK_MONOTONIC nanoseconds; 0: none.
inline std::int64_t monotonic_deadline(std::chrono::system_clock::time_point deadline) {
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return 0;
  return plugin::monotonic_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
}

}  // namespace qarax::agent
