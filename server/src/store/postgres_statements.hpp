// Prepared statements of a PostgreSQL connection, through libpq on the connection that Poco opened: one round trip
// each.
#pragma once

#include <memory>

#include "session.hpp"

namespace qarax::server {

std::unique_ptr<Statements> postgres_statements(const Poco::Data::Session& connection);

}  // namespace qarax::server
