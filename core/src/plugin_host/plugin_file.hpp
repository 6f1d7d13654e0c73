// Steps 1 to 6 of the handshake: from a path to a table whose every field has been looked at, before any code of the
// plugin was called (other than its static initialisers).
#pragma once

#include <functional>

#include "qarax/core/plugin_host/plugin_record.hpp"
#include "qarax/plugin/abi.h"
#include "qarax/result.hpp"

namespace qarax::core {

// What the file says about itself fills `record`, also when it is refused. `at` is told of each step before it is
// taken; its error ends them. The file, once open, is never closed.
Result<const qarax_plugin_table*> open_plugin_file(PluginRecord& record, const std::function<Status(LoadStep)>& at);

}  // namespace qarax::core
