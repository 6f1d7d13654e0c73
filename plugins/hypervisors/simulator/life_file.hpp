// A simulated VM's record in its run folder, and the handle that marks it as the simulator's.
#pragma once

#include <string>

#include "timeline.hpp"

namespace qarax::simulator {

constexpr std::int64_t kFormat = 1;  // format version of handle and record

// Replaces the record atomically: a reader sees either the old or the new one.
Status write_life(const std::string& run_dir, const Life& life);
// NOT_FOUND: no record was ever written, or it was removed.
Result<Life> read_life(const std::string& run_dir);
void remove_life(const std::string& run_dir);

std::string make_handle();
// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: written by a newer version.
Status check_handle(const VmArgs& args);

}  // namespace qarax::simulator
