// What the steps of a command share, whichever it is.
#pragma once

#include <string_view>
#include <utility>

#include "journal.hpp"
#include "vm_manager.hpp"

namespace qarax::agent {

// The result, whose error says in which step it came about.
template <class T>
Result<T> in_step(std::string_view step, Result<T> result) {
  if (!result) return std::move(result).error().at_step(step);
  return result;
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

}  // namespace qarax::agent
