// A console with a keyboard.
#pragma once

#include <optional>
#include <string>

#include "context.hpp"

namespace qarax::cli {

enum class Attached { detached, guest_ended };

// Whether standard input, which is no terminal, has something for the guest: what it has so far, empty where it is
// still to come. nullopt: it is at its end, or there is none.
std::optional<std::string> piped_input();

// Until the detach key, the end of the input or the guest's. Without `piped` standard input and output are a terminal,
// which is as it was afterwards. A signal that ends the program does so from here.
Result<Attached> attach(const Context& context, const json::Value& vm, std::optional<std::string> piped);

}  // namespace qarax::cli
