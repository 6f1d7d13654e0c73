// A simulated VM's record in its run folder, and the handle that says whose it is.
#pragma once

#include <string>

#include "timeline.hpp"

namespace qarax::simulator {

constexpr std::int64_t kFormat = 1;  // of handle and record

// Replaced whole, so that a reader at any moment sees the old or the new one.
Status write_life(const std::string& run_dir, const Life& life);
// NOT_FOUND: none was ever written, or it was removed.
Result<Life> read_life(const std::string& run_dir);
void remove_life(const std::string& run_dir);

std::string make_handle();
// NOT_FOUND: not a handle of this plugin. FAILED_PRECONDITION: of a newer one.
Status check_handle(const VmArgs& args);

}  // namespace qarax::simulator
