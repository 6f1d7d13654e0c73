// What a recovery makes of the journal's last command: its stored result, what became of an interrupted one, and a stop
// that is carried on.
#include <algorithm>
#include <utility>

#include "interrupted.hpp"
#include "qarax/core/logging.hpp"
#include "recovery.hpp"
#include "steps.hpp"

namespace qarax::agent {

void Manager::Recovery::read_numbers() {
  const JournalRecord* intent = interrupted_command(*vm_->journal);
  const std::lock_guard lock(vm_->admission_mutex);
  for (const auto& record : vm_->journal->records()) vm_->revision = std::max(vm_->revision, record.revision);
  if (intent != nullptr && intent->revision == vm_->revision) vm_->interrupted = intent->revision;
  vm_->is_journal_read = true;
  vm_->unread.clear();
}

// The server takes revision 0 for a VM that is still being recovered, and waits. Each VM with a folder was commanded
// once at least, and what can still be read of a damaged journal keeps the next revision above the last.
void Manager::Recovery::salvage_revision() {
  std::int64_t highest = 1;
  if (!vm_->journal) {
    if (auto journal = vm_->folder.open_journal(After::agent)) {
      vm_->journal.emplace(std::move(*journal));
      read_numbers();
    } else {
      highest = std::max(highest, vm_->folder.highest_revision_in_journal());
    }
  }
  const std::lock_guard lock(vm_->admission_mutex);
  vm_->revision = std::max(vm_->revision, highest);
  vm_->is_stuck = true;
  vm_->unread.clear();
}

// A stop was acknowledged, and the guest may still be shutting down by it: it is neither undone nor finished. It goes
// on as a command with its whole time, since nobody has measured what was left of that. nullopt: there is none to carry
// on.
auto Manager::Recovery::carry_on_stop() -> Step {
  auto stop = interrupted_stop(*vm_->journal, vm_->id);
  if (!stop) return std::nullopt;
  if (core::judge(stop->action, status_.state) != core::Verdict::proceed) {
    const Status ended = overtakes(stop->action) ? manager_.ending_.end_strays(*vm_, *stop) : Status(Ok{});
    return ended ? Step(std::nullopt) : Step(Outcome{Next::try_again, ended.error().message});
  }
  {
    const std::lock_guard lock(vm_->admission_mutex);
    if (vm_->revision != stop->revision || vm_->cancelled == stop->revision) return std::nullopt;
  }
  core::logger("vm")->warn("an interrupted {} is carried on vm={} revision={}", core::to_string(stop->action), vm_->id,
                           stop->revision);
  std::int64_t ms = kUndoMs;
  if (const auto timeout = manager_.ending_.timeout_of_stop(*stop); timeout && stop->action == core::Action::stop)
    ms += *timeout;
  stop->deadline_ns = CallLimits{}.within_ms(ms).deadline_ns;
  if (manager_.take_up_again(vm_, std::move(*stop))) publish(status_);
  return Outcome{Next::done};
}

// The caller of a command that the agent's end interrupted can ask for its result again and hears what became of it.
void Manager::Recovery::settle_interrupted() {
  const JournalRecord* intent = interrupted_command(*vm_->journal);
  if (intent == nullptr) return load_last_result();
  JournalRecord result = *intent;
  result.kind = RecordKind::result;
  result.status.text = encode(status_);
  result.document = {};
  Status outcome = Ok{};
  if (auto why = why_unfinished(*intent, status_, broken_, vm_->folder.path())) {
    result.error.text = encode(*why);
    outcome = std::move(*why);
  }
  core::logger("vm")->warn("a command was interrupted vm={} action={} revision={} finished={}", vm_->id, result.action,
                           result.revision, outcome.ok());
  log_unless(vm_->journal->append(result, Outlives::agent), "what became of it could not be kept", vm_->id);
  remember(result, std::move(outcome));
}

void Manager::Recovery::load_last_result() {
  const JournalRecord* last = latest(*vm_->journal, RecordKind::result);
  if (last == nullptr) return;
  Status outcome = Ok{};
  if (last->error.text != "null")
    outcome = decode_error(last->error.text).value_or(make_error(Code::unknown, "the command failed"));
  remember(*last, std::move(outcome));
}

void Manager::Recovery::remember(const JournalRecord& result, Status outcome) {
  // Recorded like a published report: who asks again may be quicker than the report that everybody gets.
  const auto report = manager_.reports_.record_if_current(vm_->known, vm_->facts(status_), epoch_);
  if (!report) return;
  CommandResult settled{*report, std::move(outcome)};
  const JournalRecord* intent = latest(*vm_->journal, RecordKind::intent);
  if (settled.outcome.ok() && result.action == core::to_string(core::Action::snapshot) && intent != nullptr &&
      intent->revision == result.revision)
    Snapshots::add_facts(*vm_, intent->document.text, settled.report);
  const std::lock_guard lock(vm_->admission_mutex);
  if (result.revision != vm_->revision) return;
  // An attempt that failed may have told of it already, with the report of then.
  std::erase_if(vm_->results, [&](const auto& known) { return known.first == result.step; });
  vm_->results.emplace_back(result.step, settled);
  vm_->interrupted.reset();
}

// A command that had come to its end before the agent did isn't judged anew where the VM is unknown now: whoever asks
// for it again hears its end.
void Manager::Recovery::load_result_of_finished() {
  if (vm_->journal && interrupted_command(*vm_->journal) == nullptr) load_last_result();
}

}  // namespace qarax::agent
