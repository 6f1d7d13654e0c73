// Compiled statements of a SQLite connection, made with SQLite's own API on the connection that Poco opened.
#pragma once

#include <memory>

#include "session.hpp"

namespace qarax::server {

std::unique_ptr<Statements> sqlite_statements(const Poco::Data::Session& connection);

}  // namespace qarax::server
