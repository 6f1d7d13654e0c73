// A program that is run to its end within a call: nothing of it is left when the call returns.
#pragma once

#include "call_limits.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

// Output and errors together, up to max_output bytes; ended early by `until` in them, or by the limits (`timed_out`).
// INVALID_ARGUMENT: no absolute path. CANCELLED. RESOURCE_EXHAUSTED: there was no descriptor to wait for its
// end with; it was killed. DEADLINE_EXCEEDED: SIGKILL doesn't end it. Whatever launch() says.
Result<RunResult> run_program(const RunArgs& args, const CallLimits& limits);

}  // namespace qarax::agent
