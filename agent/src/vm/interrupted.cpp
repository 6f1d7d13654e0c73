#include "interrupted.hpp"

#include <utility>

#include "qarax/core/documents.hpp"
#include "snapshot_folder.hpp"

namespace qarax::agent {

const JournalRecord* latest(const Journal& journal, RecordKind kind) {
  for (auto it = journal.records().rbegin(); it != journal.records().rend(); ++it)
    if (it->kind == kind) return &*it;
  return nullptr;
}

const JournalRecord* interrupted_command(const Journal& journal) {
  const JournalRecord* intent = latest(journal, RecordKind::intent);
  const JournalRecord* result = latest(journal, RecordKind::result);
  const bool open = intent != nullptr && (result == nullptr || result->revision < intent->revision ||
                                          (result->revision == intent->revision && result->step < intent->step));
  return open ? intent : nullptr;
}

std::optional<Command> interrupted_stop(const Journal& journal, const std::string& vm) {
  const JournalRecord* intent = interrupted_command(journal);
  const auto action = intent == nullptr ? std::nullopt : core::action_named(intent->action);
  if (action != core::Action::stop && action != core::Action::force_stop) return std::nullopt;
  Command command;
  command.vm = vm;
  command.action = *action;
  command.revision = intent->revision;
  command.step = intent->step;
  command.incarnation = intent->incarnation;
  command.request_id = "recovery";
  if (intent->document.text != "null") command.document = intent->document.text;
  return command;
}

std::optional<VmStatus> last_certain_status(const Journal& journal) {
  for (auto it = journal.records().rbegin(); it != journal.records().rend(); ++it) {
    if (it->kind == RecordKind::intent) return std::nullopt;
    if (it->status.text == "null") continue;
    if (auto status = decode<VmStatus>(std::string_view(it->status.text), Unknown::ignore)) return std::move(*status);
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Error> why_unfinished(const JournalRecord& intent, const VmStatus& status,
                                    const std::optional<Error>& broken, const std::string& vm_folder) {
  const auto action = core::action_named(intent.action);
  // The VM isn't deleted, no matter how much of it the delete has removed.
  if (action == core::Action::remove)
    return make_error(Code::aborted, "the node agent ended during the delete, which could not be finished",
                      "interrupted");
  if (action == core::Action::reboot)
    return make_error(Code::aborted, "the node agent ended during the reboot; it may not have happened", "interrupted");
  if (action == core::Action::resize && status.state == VmState::running) return broken;
  if (action == core::Action::snapshot) {
    const auto asked = decode<core::SnapshotCommand>(std::string_view(intent.document.text), Unknown::ignore);
    if (asked && SnapshotFolder(vm_folder).holds(asked->id)) return std::nullopt;
  }
  if (action && core::target(*action) == status.state) return std::nullopt;
  return make_error(Code::aborted,
                    "the node agent ended during the " + intent.action + "; it was undone, the VM is " +
                        std::string(to_string(status.state)),
                    "interrupted");
}

}  // namespace qarax::agent
