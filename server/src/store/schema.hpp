// The schema brought up to date and a term begun, the same way on every database. For the opening thread, which holds
// the store's lock. They throw Poco::Exception.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "migrations.hpp"
#include "session.hpp"
#include "store.hpp"

namespace qarax::server::schema {

struct Dialect {
  std::string database;  // as messages name it, without a password
  const char* begin;     // a transaction that may write
  const char* integer;   // what stands for the migrations' INTEGER: 64 bits
  // Before a database that has something to lose gets the migration of that number.
  std::function<Status(std::int64_t before)> secure;
};

// `all`: those that this server knows, in order; a test's server may be an older one. FAILED_PRECONDITION: a newer
// server's database. INTERNAL: a migration failed and was undone; those before it stay.
Status migrate(Session& session, const Dialect& dialect, std::span<const Migration> all = migrations());
Activation activate(Session& session, const Dialect& dialect);

}  // namespace qarax::server::schema
