#include "standby.hpp"

#include <chrono>
#include <string>

#include "qarax/core/logging.hpp"

namespace qarax::server {

Result<std::unique_ptr<Store>> wait_for_store(const DatabaseUrl& url, const Signals& signals) {
  // Each attempt costs a process on the PostgreSQL server, but only a file lock with SQLite.
  const std::chrono::milliseconds every(url.is_postgres() ? 500 : 100);
  std::string said;
  for (;;) {
    auto store = open_store(url);
    if (store) return store;
    const std::string& reason = store.error().reason;
    const std::string& message = store.error().message;
    if (reason != "store-locked" && reason != "store-down") return store;
    if (said != message) core::logger("server")->warn("standing by: {}", message);
    said = message;
    if (signals.wait_for(every) != 0) return std::unique_ptr<Store>();
  }
}

}  // namespace qarax::server
