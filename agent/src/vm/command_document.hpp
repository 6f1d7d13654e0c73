// What the server's words about a command say, on the node. A later server may add to the envelope what this agent
// ignores; a machine is another one without the member that it doesn't know, so that one is refused: UNIMPLEMENTED
// "node-outdated", with the member's name.
#pragma once

#include <string_view>

#include "qarax/core/documents.hpp"

namespace qarax::agent {

Result<core::StartCommand> start_command_in(std::string_view document);
Result<core::ResizeCommand> resize_command_in(std::string_view document);

}  // namespace qarax::agent
