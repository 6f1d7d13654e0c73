// Reads in a VM's journal, after the agent's restart, what was certain before and which command was interrupted.
#pragma once

#include <optional>

#include "journal.hpp"
#include "qarax/result.hpp"
#include "vm_manager.hpp"

namespace qarax::agent {

// The latest record of that kind; null: the journal has none. The next append() invalidates the pointer.
const JournalRecord* latest(const Journal& journal, RecordKind kind);

// The intent of the command that was under way when the agent ended; null: none was. The next append() invalidates the
// pointer.
const JournalRecord* interrupted_command(const Journal& journal);

// The interrupted command if it was a stop or a force-stop of `vm`, to be carried on; nullopt: it was none. It has no
// deadline.
std::optional<Command> interrupted_stop(const Journal& journal, const std::string& vm);

// The last status that was certain before the agent ended: that of the latest result or exit. nullopt: a command began
// after it, or it can't be read.
std::optional<VmStatus> last_certain_status(const Journal& journal);

// Why the interrupted command `intent` didn't reach what its caller asked for; nullopt: it did. `status` is the VM's
// status now, `broken` the reason why the command could not be carried through, `vm_folder` the path of the VM's
// folder.
std::optional<Error> why_unfinished(const JournalRecord& intent, const VmStatus& status,
                                    const std::optional<Error>& broken, const std::string& vm_folder);

}  // namespace qarax::agent
