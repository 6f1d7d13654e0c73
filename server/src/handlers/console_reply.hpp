// The serial log as a reply: whole, or going on as the guest writes.
#pragma once

#include <memory>

#include "handlers/operations.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

namespace qarax::server {

// Reads to the end; 503 or 504 where the node fails on the way. The reply keeps the reader until it is sent.
http::Response console_text(const http::Request& request, std::unique_ptr<ConsoleReader> reader);

// Waits for the first piece before it decides, so that a failure still has its problem document.
http::Response console_stream(const http::Request& request, std::unique_ptr<ConsoleReader> reader);

}  // namespace qarax::server
