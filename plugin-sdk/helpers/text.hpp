// Small helpers for files, logs and processes.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/plugin/call_args.hpp"

namespace qarax::plugin {

// Path, size and modification time of a file, to tell whether it has changed.
std::string fingerprint(const std::string& path);

// The last line of a log that isn't blank, with control characters as spaces and without those around it, at most
// 200 bytes.
std::string last_line(const std::string& text);

// CPU time and resident memory from the text of /proc/<pid>/stat; UNAVAILABLE: the process has just ended. `vm`: for
// the message.
Result<Counters> process_counters(const std::string& stat, const std::string& vm);
// The same for the process with that pid, the VM's VMM.
Result<Counters> counters_of(std::int32_t pid, const std::string& vm);

}  // namespace qarax::plugin
