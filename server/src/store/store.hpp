// The only place with SQL. Reads come from memory; every change is one transaction, durable when the call returns
// unless stated otherwise. Thread-safe. A change that the database refuses has no effect. What is stored stands in the
// headers of its parts, each for who needs no more.
#pragma once

#include <memory>
#include <string>

#include "answer_store.hpp"
#include "database_url.hpp"
#include "event_store.hpp"
#include "job_store.hpp"
#include "node_store.hpp"
#include "qarax/core/clock.hpp"
#include "record_store.hpp"

namespace qarax::server {

// How long data is kept that running VMs don't need. Times are in seconds that servers of this database have run
// (running_time.hpp): neither a jump of the clock nor a night without a server makes anything old.
struct Retention {
  std::int64_t events = 100'000;
  std::int64_t events_s = 7LL * 24 * 3600;
  std::int64_t jobs = 10'000;  // finished ones only
  std::int64_t jobs_s = 7LL * 24 * 3600;
};

class Store : public NodeStore, public RecordStore, public JobStore, public AnswerStore, public EventStore {
 public:
  virtual Status check() = 0;  // whether the database can be written; for /readyz
  // Removes what is older, or more, than `retention` allows.
  virtual Status prune(const Retention& retention) = 0;
  // Writes the queued changes.
  virtual void flush() = 0;
  // Called when the server ends: from now on nobody waits to learn whether a commit took effect. The caller of such a
  // commit gets UNAVAILABLE "outcome-unknown", which means just that, and no change is made any more.
  virtual void stop_waiting() = 0;
};

// SQLite in one file: WAL, synchronous=FULL. Takes the store's lock, migrates (after a copy of the file), starts a new
// term. Errors are one sentence: not writable, locked by another server ("store-locked"), newer schema. `clock`:
// measures how long the server has run; null: the system's clock.
using ClockPtr = std::shared_ptr<const core::Clock>;
Result<std::unique_ptr<Store>> open_sqlite(const std::string& path, ClockPtr clock = nullptr);

// PostgreSQL, UTF8, through three connections of its own (no pooler in between): one writes, two read. As above, and
// "store-down": nobody answers there; try again. Later, a lost connection, or one that doesn't answer within seconds,
// makes changes fail with UNAVAILABLE "store-unavailable" until the server has reconnected by itself. If another server
// has taken the lock or the term meanwhile, the process ends.
Result<std::unique_ptr<Store>> open_postgres(const DatabaseUrl& url, ClockPtr clock = nullptr);

Result<std::unique_ptr<Store>> open_store(const DatabaseUrl& url, ClockPtr clock = nullptr);

}  // namespace qarax::server
