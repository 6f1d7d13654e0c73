// Private to SqlStore's sources.
#pragma once

#include "sql_store.hpp"

namespace qarax::server {

// What a job's transaction will have changed once it is committed.
struct SqlStore::Begin {
  VmRecord vm{};
  JobRecord job{};
  std::optional<Reservation> reservation{};
  Job told{};  // the job as it is told of
  std::optional<Job> superseded{};
  std::optional<SnapshotRecord> snapshot{};   // that the job takes
  std::optional<SnapshotRecord> abandoned{};  // whose job it puts aside
};

// What a removal's transaction will have changed.
struct SqlStore::Removed {
  VmPtr vm{};
  bool tombstone = false;
  std::string by{};  // the job that it was
  std::vector<Job> ended{};
};

struct SqlStore::RemovedHost {
  Job job{};
  std::vector<Removed> vms{};
  std::optional<NextTerm> next{};  // of a host whose proof kept the database read-only
};

}  // namespace qarax::server
