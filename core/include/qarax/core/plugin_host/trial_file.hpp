// What a plugin is tried with outside of a node: the file conformance.yaml, and members of its config on the command
// line. For qarax-plugin-check and qarax-plugin-load-check; each call reads, none keeps anything.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "qarax/plugin/call_args.hpp"
#include "qarax/plugin/json.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

class ConfigReader;

struct TrialFile {
  json::Value config{};  // the plugin's config, an object, or null where the file has none
  json::Value spec{};    // of the VMs; the same
  BootFiles boot{};
  bool needs_guest = false;  // VMs can't be tried without a kernel that boots
  std::string stand_in{};    // what runs in place of the real VMM
};

// The environment's prefix for these keys.
inline constexpr const char* kTrialVariables = "QARAX_CHECK";

// Reads every key of the file; the caller looks at what they hold and calls finish().
void read_trial_file(ConfigReader& reader, TrialFile& out);

// "MEMBER=VALUE". INVALID_ARGUMENT without either side of the sign.
Result<std::pair<std::string, std::string>> to_member(const std::string& text);

// The config with these members put into it: JSON where a value can be read as that, else text. null if it is empty.
RawJson with_members(const json::Value& config, const std::vector<std::pair<std::string, std::string>>& members);

}  // namespace qarax::core
