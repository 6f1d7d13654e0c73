// Prepared statements of a PostgreSQL connection, through libpq on the connection that Poco opened. A statement takes
// one round trip. A posted statement takes none: libpq's pipeline mode sends it together with the next one.
#pragma once

#include <memory>

#include "answer_watch.hpp"
#include "session.hpp"

namespace qarax::server {

// The statements tell `watch` when they begin to wait for an answer. It must outlive every use of them.
std::unique_ptr<Statements> postgres_statements(const Poco::Data::Session& connection, AnswerWatch& watch);

}  // namespace qarax::server
