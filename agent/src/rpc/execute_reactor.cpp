#include "execute_reactor.hpp"

#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

void ExecuteReactor::begin(VmManager& vms, Command command, node::v1::CommandReply* reply) {
  auto ticket = vms.execute(std::move(command), [this, reply](const CommandResult& result) {
    reply->set_report(encode(result.report));
    if (result.error.code != Code::ok) reply->set_error(encode(result.error));
    Finish(grpc::Status::OK);
    release();
  });
  bool cancel = false;
  {
    const std::lock_guard lock(mutex_);
    ticket_ = std::move(ticket);
    cancel = cancelled_;
  }
  if (cancel) ticket_->cancel();
  release();
}

void ExecuteReactor::OnCancel() {
  std::shared_ptr<CommandTicket> ticket;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    ticket = ticket_;
  }
  if (ticket) ticket->cancel();
}

}  // namespace qarax::agent
