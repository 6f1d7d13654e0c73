// What an adopt writes: the VMs of a host as its node has them, with revisions and editions above all that the node has
// seen.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "records.hpp"

namespace qarax::server {

struct Adoption {
  std::string host_id;
  // New and existing records, each in its final form. Unfinished jobs of these VMs end as failed.
  std::vector<VmRecord> vms;
  struct Seen {
    std::int64_t revision = 0;
    std::int64_t edition = 0;
  };
  std::map<std::string, Seen> records;         // existing records as the plan saw them; no entry for a new one
  std::map<std::string, std::int64_t> memory;  // bytes to reserve, by VM id
  std::vector<SnapshotRecord> snapshots;       // complete snapshots of these VMs, in their final form
  std::vector<std::string> forgotten;          // records of VMs that the node deleted on command
  // Set when the whole host is adopted: the server gets a new activation with a term above this one and a new epoch of
  // events, and the host's proof that the database was set back is settled. nullopt: only single VMs are adopted, of a
  // host that obeys this server.
  std::optional<std::int64_t> above_term;
  std::string outcome{};  // response body of the request once the node obeys
};

}  // namespace qarax::server
