#include "vm.hpp"

#include <sys/eventfd.h>

namespace qarax::agent {

Cancel::Cancel() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Cancel::now() const { ::eventfd_write(fd_.get(), 1); }

Operation::Operation(Command the_command, std::function<void(CommandResult)> done) : command(std::move(the_command)) {
  waiting_.push_back(std::move(done));
}

void Operation::cancel() { cancel_by(By::caller); }

void Operation::give_up() { cancel_by(By::agents_end); }

void Operation::cancel_by(By whom) {
  By nobody = By::nobody;
  ended_by_.compare_exchange_strong(nobody, whom);
  cancel_.now();
}

bool Operation::join(std::function<void(CommandResult)> done) {
  const std::lock_guard lock(mutex_);
  if (answered_) return false;
  waiting_.push_back(std::move(done));
  return true;
}

bool Operation::answer(const CommandResult& result) {
  std::vector<std::function<void(CommandResult)>> callers;
  {
    const std::lock_guard lock(mutex_);
    if (answered_) return false;
    answered_ = true;
    callers.swap(waiting_);
  }
  for (const auto& caller : callers) caller(result);
  return true;
}

bool Vm::is_dead() {
  const std::lock_guard lock(admission_mutex);
  return dead;
}

std::int64_t Vm::highest_revision() {
  const std::lock_guard lock(admission_mutex);
  return revision;
}

Facts Vm::facts(const VmStatus& status) {
  return {document.name,         document.hypervisor,
          document.incarnation,  highest_revision(),
          document.resolved,     core::fingerprint_of_keep(document.name, document.keep),
          document.keep_edition, status};
}

}  // namespace qarax::agent
