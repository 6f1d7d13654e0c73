// Helpers that the steps of all commands share.
#pragma once

#include <string_view>
#include <utility>

#include "journal.hpp"
#include "qarax/core/ids.hpp"
#include "qarax/core/logging.hpp"
#include "vm_folder.hpp"
#include "vm_manager.hpp"

namespace qarax::agent {

// Adds to a failed result the step in which it failed.
template <class T>
Result<T> in_step(std::string_view step, Result<T> result) {
  if (!result) return std::move(result).error().at_step(step);
  return result;
}

// Logs a failure that doesn't stop the caller, so that the reason for its consequences can be found.
template <class T>
void log_unless(const Result<T>& done, std::string_view what, const std::string& vm) {
  if (!done) core::logger("vm")->error("{} vm={} reason={}", what, vm, core::log_value(done.error().message));
}

inline VmStatus status_with(VmState state, std::string reason) {
  VmStatus status;
  status.state = state;
  status.status_reason = std::move(reason);
  return status;
}

inline JournalRecord record_of(RecordKind kind, const Command& command) {
  JournalRecord record;
  record.kind = kind;
  record.revision = command.revision;
  record.step = command.step;
  record.action = core::to_string(command.action);
  record.incarnation = command.incarnation;
  return record;
}

// The document that an incarnation begins with. A restore replaces hypervisor and machine by those of its snapshot.
inline VmDocument document_of(const Command& command, const core::StartCommand& wanted) {
  VmDocument document;
  document.vm = command.vm;
  document.name = wanted.name;
  document.hypervisor = wanted.hypervisor;
  document.incarnation = command.incarnation;
  document.boot_identity = core::boot_identity();
  document.spec = wanted.spec;
  document.boot_source_id = wanted.boot_source_id;
  document.keep = wanted.keep;
  document.keep_edition = wanted.keep_edition;
  return document;
}

}  // namespace qarax::agent
