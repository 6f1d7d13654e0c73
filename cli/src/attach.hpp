// An attached console: output is shown, input goes to the guest.
#pragma once

#include <optional>
#include <string>

#include "context.hpp"

namespace qarax::cli {

enum class Attached { detached, guest_ended };

// Reads what standard input, which is no terminal, already has for the guest; empty if its input is still to come.
// nullopt: standard input is at its end or closed.
std::optional<std::string> piped_input();

// Attaches until the detach key, the end of the input or the end of the guest. Without `piped`, standard input and
// output are a terminal, whose settings are restored afterwards. On a signal that ends the program this doesn't return.
Result<Attached> attach(const Context& context, const json::Value& vm, const std::optional<std::string>& piped);

}  // namespace qarax::cli
