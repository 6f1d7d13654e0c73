// After the agent's restart, and after a VMM's end: what is true of a VM, from its folder, its processes and its
// plugin.
#include "manager.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"

namespace qarax::agent {

namespace {
constexpr std::int64_t kRecoverMs = 30'000;

VmStatus unknown(std::string reason) {
  VmStatus status;
  status.state = VmState::unknown;
  status.status_reason = std::move(reason);
  return status;
}

const JournalRecord* last_of(const Journal& journal, RecordKind kind) {
  for (auto it = journal.records().rbegin(); it != journal.records().rend(); ++it)
    if (it->kind == kind) return &*it;
  return nullptr;
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

void Manager::recover(const VmPtr& vm) {
  const auto log = core::logger("vm");
  // Before the report: who reads it may send a command at once.
  const auto admit_commands = [&] {
    const std::lock_guard lock(vm->strand_mutex);
    vm->recovering = false;
  };
  const auto give_up = [&](const std::string& reason) {
    admit_commands();
    log->error("the VM could not be recovered vm={} reason={}", vm->id, core::log_value(reason));
    publish(vm, unknown(reason));
  };
  auto document = vm->folder.read_document();
  if (!document) return give_up(document.error().message);
  vm->document = std::move(*document);
  const bool same_boot = vm->document.boot_identity == core::boot_identity();
  auto journal = vm->folder.open_journal(same_boot ? After::agent : After::host);
  if (!journal) return give_up(journal.error().message);
  vm->journal.emplace(std::move(*journal));
  {
    const std::lock_guard lock(vm->strand_mutex);
    for (const auto& record : vm->journal->records()) vm->revision = std::max(vm->revision, record.revision);
  }
  {
    const std::lock_guard lock(order_mutex_);
    vm->report.incarnation = vm->document.incarnation;
  }

  VmStatus status;
  const auto before = last_status(*vm->journal);
  if (before && before->state == VmState::shutdown) {
    status = *before;  // nothing ran, and nobody but the agent starts anything
  } else if (!same_boot) {
    status.state = VmState::shutdown;
    status.status_reason = "the host was rebooted";
    processes_.clean_up(vm->id, vm->document.incarnation);
  } else {
    // Watched before it is asked for, so that an end in between is seen.
    processes_.adopt(vm->id, vm->document.incarnation);
    auto driver = drivers_.find(vm->document.hypervisor);
    auto args = args_for(vm);
    if (!driver) return give_up(driver.error().message);
    if (!args) return give_up(args.error().message);
    Command none;
    none.deadline_ns = plugin::monotonic_ns() + kRecoverMs * 1'000'000;
    auto recovered = (*driver)->recover(call_for(vm, none, -1), *args);
    if (!recovered) return give_up(recovered.error().message);
    status = std::move(*recovered);
    if (status.state == VmState::shutdown) {
      if (!status.exit || status.status_reason.empty()) {
        VmStatus told = ended_status(vm);
        if (!status.exit) status.exit = told.exit;
        if (status.status_reason.empty()) status.status_reason = told.status_reason;
      }
      processes_.clean_up(vm->id, vm->document.incarnation);
    }
  }
  settle_interrupted(vm, status);
  if (status.state == VmState::shutdown && !(before && before->state == VmState::shutdown)) {
    JournalRecord record;
    record.kind = RecordKind::exit;
    record.incarnation = vm->document.incarnation;
    record.status.text = encode(status);
    static_cast<void>(vm->journal->append(record, Outlives::agent));
  }
  admit_commands();
  publish(vm, status);
  log->info("recovered vm={} state={}", vm->id, to_string(status.state));
}

// A command that was under way when the agent ended: its caller can ask for its result again and hears what became of
// it.
void Manager::settle_interrupted(const VmPtr& vm, const VmStatus& status) {
  const JournalRecord* intent = last_of(*vm->journal, RecordKind::intent);
  const JournalRecord* result = last_of(*vm->journal, RecordKind::result);
  CommandResult settled;
  settled.error = Error{Code::ok, {}, {}, {}, false, 0, {}, {}};
  if (intent != nullptr && (result == nullptr || result->revision < intent->revision ||
                            (result->revision == intent->revision && result->step < intent->step))) {
    constexpr core::Action kActions[] = {core::Action::start, core::Action::stop,   core::Action::force_stop,
                                         core::Action::pause, core::Action::resume, core::Action::reboot,
                                         core::Action::remove};
    core::Action action = core::Action::start;
    for (const core::Action one : kActions)
      if (core::to_string(one) == intent->action) action = one;
    JournalRecord record = *intent;
    record.kind = RecordKind::result;
    record.status.text = encode(status);
    if (status.state != core::target(action)) {
      settled.error =
          make_error(Code::aborted, "the node agent ended during the " + intent->action +
                                        "; it was undone, the VM is " + std::string(to_string(status.state)));
      record.error.text = encode(settled.error);
    }
    core::logger("vm")->warn("a command was interrupted vm={} action={} revision={} finished={}", vm->id, record.action,
                             record.revision, settled.error.code == Code::ok);
    static_cast<void>(vm->journal->append(record, Outlives::agent));
    result = last_of(*vm->journal, RecordKind::result);
  } else if (result != nullptr && result->error.text != "null") {
    settled.error = decode_error(result->error.text).value_or(make_error(Code::unknown, "the command failed"));
  }
  if (result == nullptr) return;
  {
    const std::lock_guard order(order_mutex_);
    settled.report = vm->report;
  }
  settled.report.status = status;
  const std::lock_guard lock(vm->strand_mutex);
  if (result->revision == vm->revision) vm->results.emplace_back(result->step, settled);
}

void Manager::saw_exit(const VmPtr& vm, std::int64_t incarnation) {
  const VmState state = status_of(vm).state;
  if (incarnation != vm->document.incarnation || state == VmState::shutdown) return;
  // A start that failed has told its caller already; a process that runs on after a false alarm is left alone.
  if (const auto process = processes_.find({vm->id, incarnation}); process && process->alive) return;
  const VmStatus status = ended_status(vm);
  JournalRecord record;
  record.kind = RecordKind::exit;
  record.incarnation = incarnation;
  record.status.text = encode(status);
  // The report must not wait for the disk: a restart finds the same in the supervisor's record.
  publish(vm, status);
  if (vm->journal) static_cast<void>(vm->journal->append(record, Outlives::agent));
  processes_.clean_up(vm->id, incarnation);
  core::logger("vm")->info("the VMM has ended vm={} reason={}", vm->id, core::log_value(status.status_reason));
}

}  // namespace qarax::agent
