// Prepared statements of a PostgreSQL connection, through libpq on the connection that Poco opened: one round trip
// each, and none for what is posted: that travels with the next, in libpq's pipeline mode.
#pragma once

#include <memory>

#include "answer_watch.hpp"
#include "session.hpp"

namespace qarax::server {

// `watch`, which outlives every use of them, is told of what is asked.
std::unique_ptr<Statements> postgres_statements(const Poco::Data::Session& connection, AnswerWatch& watch);

}  // namespace qarax::server
