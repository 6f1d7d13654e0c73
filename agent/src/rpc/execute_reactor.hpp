// One Execute call: passes the command to the VM manager and replies when it has ended. A call that ends earlier
// cancels its command only if its server knows no Cancel call (core/decisions/0006-a-lost-call-is-no-cancel.md).
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
  enum class CallEnd { cancels, leaves_alone };  // what the call's early end means for the command

  ExecuteReactor(CallEnd end, node::v1::CommandReply* reply) : end_(end), reply_(reply) {}
  void begin(VmManager& vms, Command command);  // call it once
  void OnCancel() override;
  void OnDone() override { release(); }

 private:
  void command_ended(const CommandResult& result);
  bool is_first_to_finish();
  // begin(), the command's end and gRPC each hold the reactor; the last one frees it.
  void release() {
    if (holders_.fetch_sub(1) == 1) delete this;
  }

  const CallEnd end_;
  node::v1::CommandReply* const reply_;  // owned by gRPC, valid until Finish
  std::atomic<int> holders_{3};
  std::mutex mutex_;
  std::shared_ptr<CommandTicket> ticket_;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace qarax::agent
