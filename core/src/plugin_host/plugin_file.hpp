// Steps 1 to 6 of the handshake: from a path to a table whose every field has been looked at, before any code of the
// plugin was called (other than its static initialisers).
#pragma once

#include <string>

#include "qarax/core/plugin_host/plugin_record.hpp"
#include "qarax/plugin/abi.h"
#include "qarax/result.hpp"

namespace qarax::core {

// What the file says about itself fills `record`, also when it is refused; record.step is the step that refused.
// The file, once open, is never closed.
Result<const qarax_plugin_table*> open_plugin_file(PluginRecord& record);

}  // namespace qarax::core
