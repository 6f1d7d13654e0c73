// After the agent's restart: what is true of a VM, from its folder, its processes and its plugin.
#include <algorithm>
#include <utility>

#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "snapshot_folder.hpp"
#include "steps.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kRecoverMs = 30'000;
constexpr int kRetryMs = 1'000;  // times the attempt
constexpr std::int64_t kLastRetryMs = 30'000;

const JournalRecord* last_of(const Journal& journal, RecordKind kind) {
  for (auto it = journal.records().rbegin(); it != journal.records().rend(); ++it)
    if (it->kind == kind) return &*it;
  return nullptr;
}

// The command that was under way when the agent ended; null: none.
const JournalRecord* interrupted(const Journal& journal) {
  const JournalRecord* intent = last_of(journal, RecordKind::intent);
  const JournalRecord* result = last_of(journal, RecordKind::result);
  const bool open = intent != nullptr && (result == nullptr || result->revision < intent->revision ||
                                          (result->revision == intent->revision && result->step < intent->step));
  return open ? intent : nullptr;
}

// The last thing known for certain before the agent ended: a result or an exit, whichever is later.
std::optional<VmStatus> last_status(const Journal& journal) {
  for (auto it = journal.records().rbegin(); it != journal.records().rend(); ++it) {
    if (it->kind == RecordKind::intent) return std::nullopt;
    if (it->status.text == "null") continue;
    if (auto status = decode<VmStatus>(std::string_view(it->status.text), Unknown::ignore)) return std::move(*status);
    return std::nullopt;
  }
  return std::nullopt;
}
}  // namespace

bool Manager::is_of_this_kernel(const VmDocument& document) {
  return document.boot_identity.starts_with(core::boot_id());
}

// First starts that were broken off, or failed, before anything but their records was on disk. Without those a folder
// with nothing in it is damage, and damage proves nothing.
bool Manager::was_never_started(const VmPtr& vm) {
  if (vm->folder.has_document() || vm->folder.has_runs()) return false;
  auto journal = vm->folder.open_journal(After::host);
  if (!journal || journal->records().empty()) return false;
  for (const JournalRecord& record : journal->records()) {
    const bool failed = record.kind == RecordKind::result && record.error.text != "null";
    if (record.action != core::to_string(core::Action::start) || !(record.kind == RecordKind::intent || failed))
      return false;
  }
  vm->journal.emplace(std::move(*journal));
  return true;
}

// A delete that was begun is finished: its caller may have been told already, or will be when it asks again.
bool Manager::finish_interrupted_delete(const VmPtr& vm) {
  const JournalRecord* intent = vm->journal ? last_of(*vm->journal, RecordKind::intent) : nullptr;
  if (intent == nullptr || intent->action != core::to_string(core::Action::remove)) return false;
  // One that failed has a result, of its own or of a later command.
  if (interrupted(*vm->journal) != intent) return false;
  Command command;
  command.vm = vm->id;
  command.action = core::Action::remove;
  command.revision = intent->revision;
  command.step = intent->step;
  if (auto removed = remove(vm, command); !removed) {
    core::logger("vm")->error("an interrupted delete could not be finished vm={} reason={}", vm->id,
                              core::log_value(removed.error().message));
    return false;
  }
  core::logger("vm")->info("an interrupted delete was finished vm={}", vm->id);
  bury(vm, nullptr);
  return true;
}

// What its plugin says of it. Whether that can be asked or not, how a VMM ended is written down.
Result<VmStatus> Manager::told_at_recovery(const VmPtr& vm) {
  const auto asked_plugin = [&]() -> Result<VmStatus> {
    QARAX_TRY(Driver * driver, drivers_.find(vm->document.hypervisor));
    QARAX_TRY(const VmArgs args, args_for(vm));
    const OwnCall asked(*this, vm, kRecoverMs);
    return driver->recover(asked.call(), args);
  };
  auto said = asked_plugin();
  if (said) return said;
  const auto process = processes_.find({vm->id, vm->document.incarnation});
  if (!process || process->alive) return said;
  core::logger("vm")->warn("the VMM has ended and its plugin can't be asked how vm={} hypervisor={} reason={}", vm->id,
                           vm->document.hypervisor, core::log_value(said.error().message));
  return ended_status(vm);
}

Result<VmStatus> Manager::recovered_status(const VmPtr& vm, bool same_boot, const std::optional<VmStatus>& before) {
  if (!same_boot) {
    processes_.clean_up(vm->id, vm->document.incarnation);
    if (before && before->state == VmState::shutdown) return *before;
    // Of this kernel only: a host that goes down ends VMMs with code 0, too.
    if (is_of_this_kernel(vm->document)) {
      const auto process = processes_.find({vm->id, vm->document.incarnation});
      if (process && !process->alive && process->exit && process->exit->kind != ExitKind::unknown)
        return ended_without_plugin(process);
    }
    return status_with(VmState::shutdown, "the host was rebooted");
  }
  // What the journal says is believed where no process says otherwise.
  if (before && before->state == VmState::shutdown && !lives(vm->id, vm->document.incarnation)) return *before;
  // Watched before it is asked for, so that an end in between is seen.
  processes_.adopt(vm->id, vm->document.incarnation);
  QARAX_TRY(VmStatus status, told_at_recovery(vm));
  status = believed(vm->id, vm->document.incarnation, std::move(status));
  if (status.state != VmState::shutdown) return status;
  if (!status.exit || status.status_reason.empty()) {
    VmStatus told = ended_status(vm);
    if (!status.exit) status.exit = told.exit;
    if (status.status_reason.empty()) status.status_reason = told.status_reason;
  }
  processes_.clean_up(vm->id, vm->document.incarnation);
  return status;
}

void Manager::recover(const VmPtr& vm, int attempt) {
  const auto log = core::logger("vm");
  // Before the report: who reads it may send a command at once.
  const auto admit_commands = [&] {
    const std::lock_guard lock(vm->admission_mutex);
    const bool was = std::exchange(vm->recovering, false);
    return was;
  };
  const std::int64_t epoch = reports_.decision_epoch(vm->known);
  const auto give_up = [&](const std::string& reason) {
    admit_commands();
    log->error("the VM could not be recovered vm={} reason={}", vm->id, core::log_value(reason));
    reports_.publish_if_current(vm->known, vm->facts(status_with(VmState::unknown, reason)), epoch);
  };
  // By a force-stop or a delete, which has the last word: also before its turn on the strand has come.
  const auto is_overtaken = [&] {
    const std::lock_guard lock(vm->admission_mutex);
    return !vm->recovering || vm->dead ||
           std::any_of(vm->pending.begin(), vm->pending.end(),
                       [](const OperationPtr& one) { return overtakes(one->command.action); });
  };
  const auto raise_revision = [&] {
    const std::lock_guard lock(vm->admission_mutex);
    for (const auto& record : vm->journal->records()) vm->revision = std::max(vm->revision, record.revision);
  };
  // By a force-stop that has been answered: between two attempts, or before the first, and then the commands after it
  // still have to know what the VM is.
  const auto has_been_ended = [&] {
    const std::lock_guard lock(vm->admission_mutex);
    return !vm->recovering;
  };
  if (has_been_ended() && vm->journal && vm->document.incarnation != 0) return;
  auto document = vm->folder.read_document();
  if (!document && has_been_ended()) return;
  const auto again_in = [&](std::int64_t ms, int next) {
    timers_.in_ms(ms, [this, vm, next] { enqueue(vm, [this, vm, next] { recover(vm, next); }); });
  };
  // No failed attempt, and told once: a slow plugin has many VMs.
  const auto wait_for_plugin = [&](const Error& error) {
    const VmStatus status = status_with(VmState::unknown, "recovering: " + error.message);
    if (reports_.status_of(vm->known).status_reason != status.status_reason) {
      log->warn("a recovery waits for its plugin vm={} reason={}", vm->id, core::log_value(error.message));
      reports_.publish_if_current(vm->known, vm->facts(status), epoch);
    }
    again_in(kRetryMs, attempt);
  };
  const auto try_again = [&](const Error& error) {
    log->warn("a recovery is tried again vm={} attempt={} reason={}", vm->id, attempt, core::log_value(error.message));
    const VmStatus status =
        status_with(VmState::unknown, "recovering, tried " + std::to_string(attempt) + " times: " + error.message);
    reports_.publish_if_current(vm->known, vm->facts(status), epoch);
    again_in(std::min<std::int64_t>(std::int64_t{kRetryMs} * attempt, kLastRetryMs), attempt + 1);
  };
  // Damage stays; a disk that failed or descriptors that ran out may be back.
  const auto unreadable = [&](const Error& error) {
    return error.code == Code::data_loss || error.code == Code::not_found ? give_up(error.message) : try_again(error);
  };
  if (!document && document.error().code == Code::data_loss && was_never_started(vm)) {
    raise_revision();
    VmStatus status = status_with(VmState::shutdown, "its start was interrupted and undone");
    settle_interrupted(vm, status, epoch);
    admit_commands();
    reports_.publish_if_current(vm->known, vm->facts(status), epoch);
    return;
  }
  if (!document) return unreadable(document.error());
  vm->document = std::move(*document);
  reports_.set_incarnation(vm->known, vm->document.incarnation);
  const bool same_boot = vm->document.boot_identity == core::boot_identity();
  // A PID namespace that isn't the one before says no more than that: a lock that is held ends with its kernel, and
  // what is seen runs. What isn't seen and has no lock is taken for ended, as a container's restart ends it.
  const auto supervised = same_boot ? Result<bool>(false) : processes_.supervised(vm->id);
  if (!supervised) return try_again(supervised.error());
  const bool is_elsewhere =
      *supervised || (!same_boot && is_of_this_kernel(vm->document) && processes_.is_seen(vm->id));
  if (!vm->journal) {
    auto journal = vm->folder.open_journal(same_boot || is_elsewhere ? After::agent : After::host);
    if (!journal && has_been_ended()) return;
    if (!journal) return unreadable(journal.error());
    vm->journal.emplace(std::move(*journal));
  }
  raise_revision();
  if (has_been_ended() || finish_interrupted_delete(vm)) return;
  if (is_elsewhere)
    return give_up(
        "its supervisor lives in another PID namespace, where this agent sees nothing of it; start the agent where it "
        "ran");

  const auto before = last_status(*vm->journal);
  auto status = recovered_status(vm, same_boot, before);
  if (is_overtaken()) return;
  if (!status) {
    const Error& error = status.error();
    if (error.reason == kPluginLoading) return wait_for_plugin(error);
    // An overloaded host or a VMM that is slow to answer gets better: the VM isn't given up for it.
    const auto process = processes_.find({vm->id, vm->document.incarnation});
    const bool may_change =
        (error.code == Code::unavailable || error.code == Code::deadline_exceeded) && process && process->alive;
    return may_change ? try_again(error) : give_up(error.message);
  }
  SnapshotFolder(vm->folder.path()).sweep();
  std::optional<Error> broken;
  if (const JournalRecord* intent = interrupted(*vm->journal)) {
    if (auto carried = carry_through(vm, *intent, *status))
      status = believed(vm->id, vm->document.incarnation, std::move(*carried));
    else
      broken = std::move(carried).error();
  }
  settle_interrupted(vm, *status, epoch, broken);
  if (status->state == VmState::shutdown && !(before && before->state == VmState::shutdown)) record_exit(vm, *status);
  if (!admit_commands() || !reports_.publish_if_current(vm->known, vm->facts(*status), epoch)) return;
  log->info("recovered vm={} state={}", vm->id, to_string(status->state));
}

// Why an interrupted command isn't what its caller asked for; nothing: it is.
std::optional<Error> Manager::broken_off(const VmPtr& vm, const JournalRecord& intent, const VmStatus& status,
                                         const std::optional<Error>& broken) {
  const auto action = core::action_named(intent.action);
  // Whatever is left of it, it isn't deleted.
  if (action == core::Action::remove)
    return make_error(Code::aborted, "the node agent ended during the delete, which could not be finished",
                      "interrupted");
  if (action == core::Action::reboot)
    return make_error(Code::aborted, "the node agent ended during the reboot; it may not have happened", "interrupted");
  if (action == core::Action::resize && status.state == VmState::running) return broken;
  if (action == core::Action::snapshot) {
    const auto asked = decode<core::SnapshotCommand>(std::string_view(intent.document.text), Unknown::ignore);
    if (asked && SnapshotFolder(vm->folder.path()).holds(asked->id)) return std::nullopt;
  }
  if (action && core::target(*action) == status.state) return std::nullopt;
  return make_error(Code::aborted,
                    "the node agent ended during the " + intent.action + "; it was undone, the VM is " +
                        std::string(to_string(status.state)),
                    "interrupted");
}

// A command that was under way when the agent ended: its caller can ask for its result again and hears what became of
// it.
void Manager::settle_interrupted(const VmPtr& vm, const VmStatus& status, std::int64_t epoch,
                                 const std::optional<Error>& broken) {
  const JournalRecord* intent = interrupted(*vm->journal);
  const JournalRecord* result = last_of(*vm->journal, RecordKind::result);
  CommandResult settled;
  JournalRecord record;
  if (intent != nullptr) {
    record = *intent;
    record.kind = RecordKind::result;
    record.status.text = encode(status);
    record.document = {};
    if (auto why = broken_off(vm, *intent, status, broken)) {
      record.error.text = encode(*why);
      settled.outcome = std::move(*why);
    }
    core::logger("vm")->warn("a command was interrupted vm={} action={} revision={} finished={}", vm->id, record.action,
                             record.revision, settled.outcome.ok());
    log_unless(vm->journal->append(record, Outlives::agent), "what became of it could not be kept", vm->id);
    result = &record;
  } else if (result != nullptr && result->error.text != "null") {
    settled.outcome = decode_error(result->error.text).value_or(make_error(Code::unknown, "the command failed"));
  }
  if (result == nullptr) return;
  // As good as a published one: who asks again may be quicker than the report that everybody gets.
  const auto report = reports_.record_if_current(vm->known, vm->facts(status), epoch);
  if (!report) return;
  settled.report = *report;
  intent = last_of(*vm->journal, RecordKind::intent);
  if (settled.outcome.ok() && result->action == core::to_string(core::Action::snapshot) && intent != nullptr &&
      intent->revision == result->revision)
    add_snapshot_facts(vm, intent->document.text, settled.report);
  const std::lock_guard lock(vm->admission_mutex);
  if (result->revision == vm->revision) vm->results.emplace_back(result->step, settled);
}

}  // namespace qarax::agent
