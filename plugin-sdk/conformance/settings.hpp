// The settings of a check: the plugin's file and config, what its VMs boot, what stands in for its VMM.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "qarax/plugin/call_args.hpp"

namespace qarax::conformance {

struct Settings {
  std::string plugin{};      // path of its file, absolute
  std::string supervisor{};  // path of qarax-supervisor
  RawJson config{};          // the plugin's config, as in node.yaml
  VmSpec spec{};             // spec of every VM that the rules create
  BootFiles boot{};          // for plugins that run no guest the kernel is an empty file
  bool needs_guest = false;  // VMs can't be tried without a kernel that boots
  std::string stand_in{};    // what runs in place of the real VMM; part of every report
  bool lab = false;          // with the real VMM only
  int patience = 1;          // seconds that count as "at once"; more on a busy machine
};

// `config_file`: empty, or a YAML file (README.md lists the keys). `overrides`: members of the plugin's config.
// `guest`: a folder that e2e/guest/build.sh made, used if the file names no kernel; may be missing.
Result<Settings> read_settings(const std::string& plugin, const std::string& config_file,
                               const std::vector<std::pair<std::string, std::string>>& overrides,
                               const std::string& guest);

// Looks for the supervisor next to this program and where an installation has it, unless `given` names it.
Result<std::string> find_supervisor(const std::string& given);

}  // namespace qarax::conformance
