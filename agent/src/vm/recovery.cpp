#include "recovery.hpp"

#include <algorithm>
#include <utility>

#include "interrupted.hpp"
#include "liveness.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "redact.hpp"
#include "resizing.hpp"
#include "snapshot_folder.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr int kRetryMs = 1'000;  // multiplied by the number of the attempt
constexpr std::int64_t kLastRetryMs = 30'000;
}  // namespace

void Manager::recover(const VmPtr& vm, int attempt) { Recovery(*this, vm, attempt).run(); }

Manager::Recovery::Recovery(Manager& manager, VmPtr vm, int attempt)
    : manager_(manager), vm_(std::move(vm)), attempt_(attempt), epoch_(manager_.reports_.decision_epoch(vm_->known)) {}

// An attempt that throws is repeated like any other that failed: nobody else would take the VM up again.
void Manager::Recovery::run() {
  std::string reason;
  try {
    return take_steps();
  } catch (const std::exception& e) {
    if (has_been_ended()) throw;
    reason = e.what();
  }
  hide_folder(reason, manager_.options_.data_dir);
  try_again(reason);
}

void Manager::Recovery::take_steps() {
  for (const auto step : {&Recovery::read_document, &Recovery::decide_where_it_lives, &Recovery::open_journal,
                          &Recovery::finish_interrupted_delete, &Recovery::determine_status,
                          &Recovery::carry_interrupted_through, &Recovery::settle})
    if (const Step outcome = (this->*step)()) return conclude(*outcome);
}

auto Manager::Recovery::read_document() -> Step {
  // A VM that a force-stop has ended needs no recovery, but the commands that follow need its document and journal.
  if (has_been_ended() && vm_->journal && vm_->document.incarnation != 0) return Outcome{Next::done};
  auto document = vm_->folder.read_document();
  if (!document && has_been_ended()) return Outcome{Next::done};
  if (!document && document.error().code == Code::data_loss && was_never_started()) return undo_first_start();
  if (!document) return unreadable(document.error());
  vm_->document = std::move(*document);
  manager_.reports_.set_incarnation(vm_->known, vm_->document.incarnation);
  return std::nullopt;
}

// A VM was never started if its journal holds nothing but first starts that were interrupted, or failed, before
// anything else was on disk. An empty folder without such records is damaged, and damage proves nothing.
bool Manager::Recovery::was_never_started() {
  if (vm_->folder.has_document() || vm_->folder.has_runs()) return false;
  auto journal = vm_->folder.open_journal(After::host);
  if (!journal || journal->records().empty()) return false;
  for (const JournalRecord& record : journal->records()) {
    const bool failed = record.kind == RecordKind::result && record.error.text != "null";
    if (record.action != core::to_string(core::Action::start) || !(record.kind == RecordKind::intent || failed))
      return false;
  }
  vm_->journal.emplace(std::move(*journal));
  return true;
}

auto Manager::Recovery::undo_first_start() -> Outcome {
  read_numbers();
  status_ = status_with(VmState::shutdown, "its start was interrupted and undone");
  settle_interrupted();
  admit_commands();
  publish(status_);
  return {Next::done};
}

// Damage stays. A disk that failed may work again, and descriptors that ran out may be free again.
auto Manager::Recovery::unreadable(const Error& error) -> Outcome {
  const bool stays = error.code == Code::data_loss || error.code == Code::not_found;
  return {stays ? Next::give_up : Next::try_again, error.message};
}

auto Manager::Recovery::open_journal() -> Step {
  if (!vm_->journal) {
    auto journal = vm_->folder.open_journal(is_same_boot_ || is_elsewhere_ ? After::agent : After::host);
    if (!journal && has_been_ended()) return Outcome{Next::done};
    if (!journal) return unreadable(journal.error());
    vm_->journal.emplace(std::move(*journal));
  }
  read_numbers();
  if (has_been_ended()) return Outcome{Next::done};
  return std::nullopt;
}

// The caller of an interrupted delete has been told already that the VM is deleted, or is told when it asks again.
auto Manager::Recovery::finish_interrupted_delete() -> Step {
  const JournalRecord* intent = latest(*vm_->journal, RecordKind::intent);
  if (intent == nullptr || intent->action != core::to_string(core::Action::remove)) return std::nullopt;
  // A delete that failed has a result, its own or that of a later command.
  if (interrupted_command(*vm_->journal) != intent) return std::nullopt;
  Command command;
  command.vm = vm_->id;
  command.action = core::Action::remove;
  command.revision = intent->revision;
  command.step = intent->step;
  command.incarnation = intent->incarnation;
  if (auto removed = manager_.remove(vm_, command); !removed) {
    core::logger("vm")->error("an interrupted delete could not be finished vm={} reason={}", vm_->id,
                              core::log_value(removed.error().message));
    return std::nullopt;
  }
  core::logger("vm")->info("an interrupted delete was finished vm={}", vm_->id);
  manager_.bury(vm_, nullptr);
  return Outcome{Next::done};
}

auto Manager::Recovery::carry_interrupted_through() -> Step {
  SnapshotFolder(vm_->folder.path()).sweep();
  const JournalRecord* intent = interrupted_command(*vm_->journal);
  if (intent == nullptr) return std::nullopt;
  auto carried = carry_through(*intent);
  if (carried) {
    status_ = believed(manager_.processes_, vm_->id, vm_->document.incarnation, std::move(*carried));
    return std::nullopt;
  }
  // Once it is settled nobody resumes a guest that was paused for its snapshot, or ends one that is half restored. A
  // resize is settled at once: a guest that lets go of nothing answers each try like this.
  if (intent->action != core::to_string(core::Action::resize) && may_pass(carried.error()))
    return Outcome{Next::try_again, carried.error().message};
  broken_ = std::move(carried).error();
  return std::nullopt;
}

// A VM that was paused for a snapshot is resumed, a half-done restore is ended, and a resize is carried through,
// because nothing records how far it came.
Result<VmStatus> Manager::Recovery::carry_through(const JournalRecord& intent) {
  const auto action = core::action_named(intent.action);
  if (!core::has_vmm(status_.state)) return status_;
  QARAX_TRY(Driver * driver, manager_.drivers_.find(vm_->document.hypervisor));
  // The host's shutdown cancels neither call: a guest that stays paused can't power off. It only gets less time.
  const std::int64_t limit_ms = manager_.limit_of_recovery(kUndoMs);
  if (action == core::Action::snapshot)
    return manager_.snapshots_.go_on(vm_, *driver, intent.before, status_, limit_ms);
  if (action == core::Action::restore && status_.state == VmState::paused) return undo_restore(*driver);
  if (action == core::Action::resize && status_.state == VmState::running) {
    // The resize has begun, perhaps by a newer agent. Applying the members that this agent knows is better than leaving
    // it half done.
    QARAX_TRY(const auto wanted, decode<core::ResizeCommand>(std::string_view(intent.document.text), Unknown::ignore));
    return resize(vm_, wanted, *driver, call_to_undo(vm_, limit_ms), manager_.processes_);
  }
  return status_;
}

Result<VmStatus> Manager::Recovery::undo_restore(Driver& driver) {
  QARAX_CHECK(manager_.processes_.kill_all(vm_->id, CallLimits{}.within_ms(kUndoMs)));
  StopArgs args;
  QARAX_TRY(args.vm, args_for(*vm_, manager_.processes_));
  args.mode = StopMode::force;
  QARAX_TRY(VmStatus stopped, driver.stop(call_to_undo(vm_), args));
  manager_.processes_.clean_up(vm_->id, vm_->document.incarnation);
  stopped.status_reason = "its restore was interrupted and undone";
  return stopped;
}

auto Manager::Recovery::settle() -> Step {
  if (Step carried_on = carry_on_stop()) return carried_on;
  // Nobody knows what became of an interrupted stop while the VM is unknown. The journal leaves the stop open, and its
  // caller waits until the state is known.
  if (status_.state == VmState::unknown && interrupted_stop(*vm_->journal, vm_->id))
    return Outcome{Next::give_up,
                   status_.status_reason.empty() ? "its plugin can't tell its state" : status_.status_reason};
  settle_interrupted();
  if (status_.state == VmState::shutdown && !was_shutdown()) manager_.record_exit(vm_, status_);
  // Commands are admitted before the report: whoever reads it may send one at once.
  if (admit_commands() && publish(status_))
    core::logger("vm")->info("recovered vm={} state={}", vm_->id, to_string(status_.state));
  return Outcome{Next::done};
}

void Manager::Recovery::conclude(const Outcome& outcome) {
  switch (outcome.next) {
    case Next::done:
      return;
    case Next::try_again:
      return try_again(outcome.reason);
    case Next::wait_for_plugin:
      return wait_for_plugin(outcome.reason);
    case Next::give_up:
      return give_up(outcome.reason);
  }
}

void Manager::Recovery::try_again(const std::string& reason) {
  core::logger("vm")->warn("a recovery is tried again vm={} attempt={} reason={}", vm_->id, attempt_,
                           core::log_value(reason));
  status_ = status_with(VmState::unknown, "recovering, tried " + std::to_string(attempt_) + " times: " + reason);
  {
    const std::lock_guard lock(vm_->admission_mutex);
    vm_->is_stuck = true;
    if (!vm_->is_journal_read) vm_->unread = reason;
  }
  load_result_of_finished();
  publish(status_);
  repeat_in(std::min<std::int64_t>(std::int64_t{kRetryMs} * attempt_, kLastRetryMs), attempt_ + 1);
}

// Waiting is no failed attempt. It is told once per VM: a plugin that loads slowly may have many.
void Manager::Recovery::wait_for_plugin(const std::string& reason) {
  const VmStatus status = status_with(VmState::unknown, "recovering: " + reason);
  if (manager_.reports_.status_of(vm_->known).status_reason != status.status_reason) {
    core::logger("vm")->warn("a recovery waits for its plugin vm={} reason={}", vm_->id, core::log_value(reason));
    publish(status);
  }
  repeat_in(kRetryMs, attempt_);
}

void Manager::Recovery::give_up(const std::string& reason) {
  core::logger("vm")->error("the VM could not be recovered vm={} reason={}", vm_->id, core::log_value(reason));
  status_ = status_with(VmState::unknown, reason);
  salvage_revision();
  // A force-stop is carried out whatever is known of the VM.
  if (vm_->journal && carry_on_stop()) return;
  load_result_of_finished();
  admit_commands();
  publish(status_);
}

void Manager::Recovery::repeat_in(std::int64_t ms, int attempt) {
  manager_.timers_.in_ms(ms, [&manager = manager_, vm = vm_, attempt] {
    manager.enqueue(vm, [&manager, vm, attempt] { manager.recover(vm, attempt); });
  });
}

// True once a command that overtakes has had its turn, before the first attempt or between two attempts.
bool Manager::Recovery::has_been_ended() {
  const std::lock_guard lock(vm_->admission_mutex);
  return !vm_->recovering;
}

// A force-stop or a delete has the last word as soon as it is taken, even before its turn on the strand has come.
bool Manager::Recovery::is_overtaken() {
  const std::lock_guard lock(vm_->admission_mutex);
  return !vm_->recovering || vm_->dead ||
         std::any_of(vm_->pending.begin(), vm_->pending.end(),
                     [](const OperationPtr& one) { return overtakes(one->command.action); });
}

// False: a command that overtakes has admitted them already.
bool Manager::Recovery::admit_commands() {
  const std::lock_guard lock(vm_->admission_mutex);
  return std::exchange(vm_->recovering, false);
}

bool Manager::Recovery::publish(const VmStatus& status) {
  return manager_.reports_.publish_if_current(vm_->known, vm_->facts(status), epoch_);
}

}  // namespace qarax::agent
