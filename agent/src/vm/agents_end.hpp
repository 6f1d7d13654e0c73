// What a command is told that the agent's end has come before.
#pragma once

#include "qarax/result.hpp"

namespace qarax::agent {

// UNAVAILABLE "node-unreachable": the server keeps the job open and asks again.
Error agent_is_ending();

}  // namespace qarax::agent
