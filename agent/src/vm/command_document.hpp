// Decodes the server's command documents on the node. Members of the envelope that only a later server knows are
// ignored. An unknown member of the machine (spec, resize) is refused, because the machine would be a different one
// without it: UNIMPLEMENTED "node-outdated", with the member's name.
#pragma once

#include <string_view>

#include "qarax/core/documents.hpp"

namespace qarax::agent {

Result<core::StartCommand> start_command_in(std::string_view document);
Result<core::ResizeCommand> resize_command_in(std::string_view document);

}  // namespace qarax::agent
