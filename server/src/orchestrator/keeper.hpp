// Sends nodes what they keep of their VMs for the server (keep.hpp) when it changes between two starts: a name, a
// description, tags. Best effort; repeated when a node comes back.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fleet.hpp"
#include "reads.hpp"

namespace qarax::server {

// Used by one thread only.
class Keeper {
 public:
  // Borrows both.
  Keeper(const StoreReads& store, const Fleet& nodes) : store_(store), nodes_(nodes) {}

  // Sends what differs from what the nodes report that they keep; called regularly.
  void look();

 private:
  const StoreReads& store_;
  const Fleet& nodes_;
  std::uint64_t seen_ = 0;                          // StoreReads::changes() of the last complete look
  std::map<std::string, std::uint64_t> looked_at_;  // version of the record, by VM id
};

}  // namespace qarax::server
