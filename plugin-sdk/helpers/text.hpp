// Small things that every plugin says of files, logs and processes.
#pragma once

#include <cstdint>
#include <string>

#include "qarax/plugin/call_args.hpp"

namespace qarax::plugin {

// What an answer about a file is good for: its path, size and time.
std::string fingerprint(const std::string& path);

// The last line of a log with something in it, control characters taken out, at most 200 bytes.
std::string last_line(const std::string& text);

// From the text of /proc/<pid>/stat; UNAVAILABLE where the process has just ended.
Result<Counters> process_counters(const std::string& stat, const std::string& vm);
// The same of the VM's VMM that has this pid.
Result<Counters> counters_of(std::int32_t pid, const std::string& vm);

}  // namespace qarax::plugin
