// Runs a program to its end within a call: nothing of it is left when the call returns.
#pragma once

#include "call_limits.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

// The result holds output and errors together, up to max_output bytes. The program is ended early when its output
// contains `until`, or at the limits (`timed_out`). INVALID_ARGUMENT: argv[0] is no absolute path. CANCELLED. Errors of
// launch().
Result<RunResult> run_program(const RunArgs& args, const CallLimits& limits);

}  // namespace qarax::agent
