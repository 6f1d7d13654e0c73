// Channels to nodes: over TLS or in clear text, when the token may be sent, and advice when a connection fails.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "qarax/result.hpp"

namespace qarax::server {

struct NodeCredentials {
  std::string token;      // the nodes' bearer token; empty: none
  std::string ca_cert;    // PEM; empty: plain text
  bool insecure = false;  // send the token in plain text to other machines too
};

// Largest message that is accepted from a node, in bytes. A report has at most two documents of a plugin, of 1 MiB
// each, and an error beside them; consoles come in pieces of 256 KiB.
inline constexpr int kLargestMessage = 4 << 20;
// A survey with all VMs and their snapshots is one message.
inline constexpr int kLargestSurvey = 256 << 20;

// Makes a channel of its own that accepts messages of up to `largest` bytes, on which the token may be sent.
// FAILED_PRECONDITION: somebody on the way to `address` could read the token.
Result<std::shared_ptr<grpc::Channel>> node_channel(const std::string& address, std::int64_t port,
                                                    const NodeCredentials& credentials, int largest = kLargestMessage);

// Channel to an agent on this machine by its unix socket. It needs no TLS, since nobody can listen in.
std::shared_ptr<grpc::Channel> node_socket_channel(const std::string& path);

// Adds to gRPC's message about a failed connection what to configure if TLS, on either side, is the reason.
std::string with_advice(std::string message, const std::string& address, const NodeCredentials& credentials);

}  // namespace qarax::server
