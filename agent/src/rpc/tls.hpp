// The node's certificate and key, looked at before gRPC gets them, which says of a bad pair only that it can't listen.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "qarax/result.hpp"

namespace qarax::agent {

// From PEM files. INVALID_ARGUMENT: one is none, or they don't belong together; the file is named.
Result<std::shared_ptr<grpc::ServerCredentials>> tls_credentials(const std::string& cert_file,
                                                                 const std::string& key_file);

}  // namespace qarax::agent
