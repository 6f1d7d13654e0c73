#include "execute_reactor.hpp"

#include <utility>

#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

void ExecuteReactor::begin(VmManager& vms, Command command) {
  auto ticket = vms.execute(std::move(command), [this](const CommandResult& result) {
    command_ended(result);
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

bool ExecuteReactor::is_first_to_finish() {
  const std::lock_guard lock(mutex_);
  return !std::exchange(finished_, true);
}

void ExecuteReactor::command_ended(const CommandResult& result) {
  if (!is_first_to_finish()) return;  // the caller is gone; a repeated call gets the stored result
  reply_->set_report(encode(result.report));
  if (!result.outcome) reply_->set_error(encode(result.outcome.error()));
  Finish(grpc::Status::OK);
}

void ExecuteReactor::OnCancel() {
  if (end_ == CallEnd::leaves_alone) {
    // Finish the call now, not with the command: a connection that keeps breaking must not pile up calls, and they must
    // not delay the agent's end.
    if (is_first_to_finish()) Finish(grpc::Status::CANCELLED);
    return;
  }
  std::shared_ptr<CommandTicket> ticket;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    ticket = ticket_;
  }
  if (ticket) ticket->cancel();
}

}  // namespace qarax::agent
