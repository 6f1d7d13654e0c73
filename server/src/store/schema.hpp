// Brings the schema up to date and begins a term, in the same way on every database. Called by the thread that opens
// the database, which holds the store's lock. The functions throw Poco::Exception.
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
  const char* begin;     // statement that begins a transaction that may write
  const char* integer;   // type that replaces the migrations' INTEGER; has 64 bits
  // Called before the first pending migration, of that number, if the database has a schema already: keeps a copy, for
  // example.
  std::function<Status(std::int64_t before)> secure;
};

// `all`: the migrations that this server knows, in order; a test passes fewer to act as an older server.
// FAILED_PRECONDITION: the database needs a newer server. INTERNAL: a migration failed and was rolled back; earlier
// ones stay.
Status migrate(Session& session, const Dialect& dialect, std::span<const Migration> all = migrations());
Activation activate(Session& session, const Dialect& dialect);

}  // namespace qarax::server::schema
