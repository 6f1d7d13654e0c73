// The serial log as a reply: as it is now, or followed as the guest writes.
#pragma once

#include <memory>

#include "handlers/answer.hpp"
#include "handlers/operations.hpp"

namespace qarax::server {

// Reads to the end; 503 or 504 if the node fails before that. The reply keeps the reader until it is sent.
Answer console_text(std::unique_ptr<ConsoleReader> reader);

// Waits briefly for the first piece before the reply begins, so that an early failure still gets a problem document.
Answer console_stream(std::unique_ptr<ConsoleReader> reader);

}  // namespace qarax::server
