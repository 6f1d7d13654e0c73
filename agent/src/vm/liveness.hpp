// What is known of a VMM by its processes, whatever its plugin says: a plugin's word is believed as far as these agree.
// Any thread may call these functions. They wait for what ProcessService::find() waits for.
#pragma once

#include <cstdint>
#include <string>

#include "process_service.hpp"

namespace qarax::agent {

// Whether the incarnation has a VMM, or may have one in a moment.
bool lives(ProcessService& processes, const std::string& vm, std::int64_t incarnation);

// Corrects what the plugin says of the incarnation. A VM whose VMM lives is never reported as shutdown.
VmStatus believed(ProcessService& processes, const std::string& vm, std::int64_t incarnation, VmStatus said);

// The status of a VMM that is gone, by what its supervisor recorded.
VmStatus ended_without_plugin(const Result<Process>& process);

// Gives a status with an exit its reason in words, unless it has one.
void explain_end(VmStatus& status);

}  // namespace qarax::agent
