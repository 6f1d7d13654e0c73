// The way to a node: over TLS or in clear, what may be shown on it, and what to do where it can't be gone.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "qarax/result.hpp"

namespace qarax::server {

struct NodeCredentials {
  std::string token;      // bearer token of the nodes; empty: none
  std::string ca_cert;    // PEM; empty: plain text
  bool insecure = false;  // the token is shown in plain text also to nodes elsewhere
};

// Bytes of one message of a node's: a report has at most two documents of a plugin, of 1 MiB each, and an error beside
// them; consoles come in pieces of 256 KiB.
inline constexpr int kLargestMessage = 4 << 20;
// A survey with all VMs and their snapshots is one message.
inline constexpr int kLargestSurvey = 256 << 20;

// A channel of its own, on which no message is larger than `largest`. Where there is one the token may be sent on it.
// FAILED_PRECONDITION: whoever is on the way to `address` could read it.
Result<std::shared_ptr<grpc::Channel>> node_channel(const std::string& address, std::int64_t port,
                                                    const NodeCredentials& credentials, int largest = kLargestMessage);

// To the same agent by its unix socket: nobody is on that way, so it has no TLS.
std::shared_ptr<grpc::Channel> node_socket_channel(const std::string& path);

// What gRPC says of a connection that isn't made, and what to set where TLS, on either side, is the reason.
std::string with_advice(std::string message, const std::string& address, const NodeCredentials& credentials);

}  // namespace qarax::server
