// What can be said about a VM's state, and what to do next. Pure: everything asked for before is given.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace qarax::cli {

struct WhyInput {
  std::string target;  // the VM as the user named it: for the commands to go on with
  json::Value vm;
  json::Value host;                // null: none
  json::Value jobs;                // its last ones, the newest first
  std::string source;              // whose word its state is
  std::string vmm_log;             // the last of it
  std::string console;             // the last of it
  bool has_console = true;         // one to follow while it runs
  std::vector<std::string> notes;  // what couldn't be had, and why
};

// The newest job that failed, where nothing has succeeded since that makes it old; null: none.
const json::Value& last_failure(const WhyInput& input);

// Commands and what they are for, the likeliest first.
std::vector<std::string> next_steps(const WhyInput& input);

// The whole answer for people.
std::string why_text(const WhyInput& input, bool colour);

}  // namespace qarax::cli
