// What can be said about a VM's state, and what to do next. Pure: everything asked for before is given.
#pragma once

#include <string>
#include <vector>

#include "qarax/plugin/json.hpp"

namespace qarax::cli {

struct WhyInput {
  std::string target;  // the VM as the user named it: for the commands to go on with
  json::Value vm;
  json::Value host;             // null: none, or not to be had
  std::string console;          // the last of it, the guest's bytes
  std::string console_problem;  // why there is none
};

// Commands and what they are for, the likeliest first.
std::vector<std::string> next_steps(const WhyInput& input);

// The whole answer for people.
std::string why_text(const WhyInput& input, bool colour);

}  // namespace qarax::cli
