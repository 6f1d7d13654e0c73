// A connection to PostgreSQL that only reads. Its answers have the same time as those of the one that writes.
#pragma once

#include <memory>

#include "database_url.hpp"
#include "readers.hpp"

namespace qarax::server {

// For a database that has let this server in just now. UNAVAILABLE "store-down": it doesn't any more.
Result<ReaderPtr> open_postgres_reader(const DatabaseUrl& url);

}  // namespace qarax::server
