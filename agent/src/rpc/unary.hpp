// Helpers that the service's unary calls share.
#pragma once

#include <grpcpp/grpcpp.h>

#include "authority.hpp"
#include "qarax/node/v1/node.pb.h"
#include "status.hpp"

namespace qarax::agent {

inline AuthorityClaim claim_of(const node::v1::Authority& a) { return {a.cluster_id(), a.term(), a.activation()}; }

inline grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context, const Status& status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(status ? grpc::Status::OK : to_status(status.error()));
  return reactor;
}

}  // namespace qarax::agent
