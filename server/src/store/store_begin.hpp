// Private to SqlStore's sources.
#pragma once

#include "sql_store.hpp"

namespace qarax::server {

// The changes of a job's transaction, published once it is committed.
struct SqlStore::Begin {
  VmRecord vm{};
  JobRecord job{};
  std::optional<Reservation> reservation{};
  Job told{};  // the job as clients see it
  std::optional<Job> superseded{};
  std::optional<SnapshotRecord> snapshot{};   // taken by the job
  std::optional<SnapshotRecord> abandoned{};  // its job is superseded by this one
};

// The changes of a removal's transaction.
struct SqlStore::Removed {
  VmPtr vm{};
  std::optional<Tombstone> tombstone{};
  std::string by{};  // id of the job that the removal is
  std::vector<Job> ended{};
};

struct SqlStore::RemovedHost {
  Job job{};
  std::vector<Removed> vms{};
  std::optional<NextTerm> next{};  // if this host's proof kept the database read-only
};

}  // namespace qarax::server
