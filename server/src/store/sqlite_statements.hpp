// Compiled statements of a SQLite connection, through SQLite's own interface on the connection that Poco opened.
#pragma once

#include <memory>

#include "session.hpp"

namespace qarax::server {

std::unique_ptr<Statements> sqlite_statements(const Poco::Data::Session& connection);

}  // namespace qarax::server
