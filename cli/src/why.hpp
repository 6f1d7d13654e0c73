// Explains a VM's state and suggests what to do next. Pure functions: all information is passed in.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace qarax::cli {

struct WhyInput {
  std::string target;  // the VM as the user named it, for the suggested commands
  json::Value vm;
  json::Value host;                // null: none
  json::Value jobs;                // the VM's last jobs, newest first
  std::string source;              // who reported the state
  std::string vmm_log;             // its last lines
  std::string console;             // its last lines
  bool has_console = true;         // the running VM has a console to follow
  std::vector<std::string> notes;  // what couldn't be read, and why
};

// The newest failed job that is still relevant, i.e. no later job has succeeded that supersedes it; JSON null if none.
const json::Value& last_failure(const WhyInput& input);

// Suggested commands with their purpose, the most likely first.
std::vector<std::string> next_steps(const WhyInput& input);

// The whole answer for people.
std::string why_text(const WhyInput& input, bool colour);

}  // namespace qarax::cli
