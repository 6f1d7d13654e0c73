// Waiting for the store while another server uses it.
#pragma once

#include <memory>

#include "signals.hpp"
#include "store/store.hpp"

namespace qarax::server {

// Opens the store. Only one server uses a database: a second one stands by until the first has ended. Also waits for a
// database that is down. Returns null if a signal came first.
Result<std::unique_ptr<Store>> wait_for_store(const DatabaseUrl& url, const Signals& signals);

}  // namespace qarax::server
