// The schema brought up to date and a term begun, the same way on every database. For the opening thread, which holds
// the store's lock. They throw Poco::Exception.
#pragma once

#include <functional>
#include <string>

#include "session.hpp"
#include "store.hpp"

namespace qarax::server::schema {

struct Dialect {
  std::string database;  // as messages name it, without a password
  const char* begin;     // a transaction that may write
  const char* integer;   // what stands for the migrations' INTEGER: 64 bits
  // Before the first migration of a database that has something to lose.
  std::function<Status(std::int64_t to)> secure;
};

// FAILED_PRECONDITION: a newer server's database. INTERNAL: a migration failed and was undone.
Status migrate(Session& session, const Dialect& dialect);
Activation activate(Session& session, const Dialect& dialect);

}  // namespace qarax::server::schema
