// What a check is run with: the plugin's file and its config, what its VMs boot, what stands in for its VMM.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "qarax/plugin/call_args.hpp"

namespace qarax::conformance {

struct Settings {
  std::string plugin{};      // the file, absolute
  std::string supervisor{};  // qarax-supervisor
  RawJson config{};          // the plugin's, as in node.yaml
  VmSpec spec{};             // of every VM that the rules make
  BootFiles boot{};          // an empty kernel: a file without content, for plugins that run no guest
  bool needs_guest = false;  // nothing can be tried without a kernel that boots
  std::string stand_in{};    // what runs in the place of the real VMM; goes into every report
  bool lab = false;          // the real VMM or nothing
  int patience = 1;          // what "at once" means, in seconds; more on a busy machine
};

// `config_file`: empty, or YAML (README.md lists the keys). `overrides`: members of the plugin's config. `guest`: a
// folder that e2e/guest/build.sh made, used where the file names no kernel; may be missing.
Result<Settings> read_settings(const std::string& plugin, const std::string& config_file,
                               const std::vector<std::pair<std::string, std::string>>& overrides,
                               const std::string& guest);

// Beside this program, or where an installation has it.
Result<std::string> find_supervisor(const std::string& given);

}  // namespace qarax::conformance
