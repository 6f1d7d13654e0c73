// One Execute call: the command goes to the VMs, its end is the reply, its caller's going away cancels it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "qarax/core/documents.hpp"
#include "qarax/node/v1/node.pb.h"
#include "vm_manager.hpp"

namespace qarax::agent {

class ExecuteReactor final : public grpc::ServerUnaryReactor {
 public:
  void begin(VmManager& vms, Command command, node::v1::CommandReply* reply);  // once
  void OnCancel() override;
  void OnDone() override { release(); }

 private:
  // begin(), the command's end and gRPC each hold the reactor; the last one frees it.
  void release() {
    if (holders_.fetch_sub(1) == 1) delete this;
  }
  std::atomic<int> holders_{3};
  std::mutex mutex_;
  std::shared_ptr<CommandTicket> ticket_;
  bool cancelled_ = false;
};

}  // namespace qarax::agent
