// What an adopt writes: a host's VMs as its node has them, and numbers above all that the node has seen.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "records.hpp"

namespace qarax::server {

struct Adoption {
  std::string host_id;
  // New ones, and such as there are, as they shall be. Their unfinished jobs end as failed.
  std::vector<VmRecord> vms;
  struct Seen {
    std::int64_t revision = 0;
    std::int64_t edition = 0;
  };
  std::map<std::string, Seen> records;         // as they were looked at; none for a new one
  std::map<std::string, std::int64_t> memory;  // bytes to reserve, by VM
  std::vector<SnapshotRecord> snapshots;       // of these VMs: whole ones, as they shall be
  std::vector<std::string> forgotten;          // records whose VM the node has deleted by command
  // The whole host: a new activation with a term above this one, a new epoch of events, and the host's proof that the
  // database was set back is settled. Nothing: single VMs of a host that obeys this server.
  std::optional<std::int64_t> above_term;
  std::string outcome{};  // what its request is answered with once the node obeys
};

}  // namespace qarax::server
