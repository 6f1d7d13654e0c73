// Steps 1 to 6 of the handshake: from a path to a table whose every field has been checked. No code of the plugin runs
// except its static initialisers.
#pragma once

#include <functional>

#include "qarax/core/plugin_host/plugin_record.hpp"
#include "qarax/plugin/abi.h"
#include "qarax/result.hpp"

namespace qarax::core {

// Fills `record` with what the file says about itself, even if it is refused. `at` is called before each step; its
// error ends the handshake. A file that was opened is never closed.
Result<const qarax_plugin_table*> open_plugin_file(PluginRecord& record, const std::function<Status(LoadStep)>& at);

}  // namespace qarax::core
