// Checks the node's certificate and key before gRPC gets them: of a bad pair gRPC only says that it can't listen.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// Reads PEM files. INVALID_ARGUMENT: a file isn't PEM, or the two don't belong together; names the file.
Result<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const std::string& cert_file,
                                                                 const std::string& key_file);

}  // namespace qarax::agent
