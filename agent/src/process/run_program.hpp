// Runs a program to its end within a call: nothing of it is left when the call returns.
#pragma once

#include <functional>

#include "call_limits.hpp"
#include "pidfd.hpp"
#include "qarax/plugin/call_args.hpp"

namespace qarax::agent {

// The result holds output and errors together, up to max_output bytes. The program is ended early when its output,
// whatever is kept of it, contains `until`, or at the limits (`timed_out`). INVALID_ARGUMENT: argv[0] is no absolute
// path. CANCELLED. RESOURCE_EXHAUSTED: there was no descriptor to wait for the program's end, so it was killed.
// DEADLINE_EXCEEDED: the program doesn't end on SIGKILL; `reap_later` gets the child, which has to be reaped once it
// does. Errors of launch().
Result<RunResult> run_program(const RunArgs& args, const CallLimits& limits,
                              const std::function<void(const ProcessId&)>& reap_later = {});

}  // namespace qarax::agent
