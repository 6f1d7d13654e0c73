// Sends nodes what they keep of their VMs for the server (keep.hpp) when it changes between two starts: a name, a
// description, tags. Repeated until the node reports that it keeps them: the call may be lost, or the node's disk full.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "fleet.hpp"
#include "reads.hpp"

namespace qarax::server {

// Used by one thread only.
class Keeper {
 public:
  using Clock = std::chrono::steady_clock;

  // Borrows both. `again_after`: how long a node has to report that it keeps what it was told.
  Keeper(const StoreReads& store, const Fleet& nodes, std::chrono::milliseconds again_after = std::chrono::seconds(10))
      : store_(store), nodes_(nodes), again_after_(again_after) {}

  // Sends what differs from what the nodes report that they keep; called regularly. `now` never goes back.
  void look(Clock::time_point now = Clock::now());

 private:
  const StoreReads& store_;
  const Fleet& nodes_;
  struct Looked {
    std::uint64_t version = 0;                // of the record
    std::optional<Clock::time_point> next{};  // when the node is told again; unset: it has nothing to be told
    std::chrono::milliseconds wait{0};        // before that, doubled each time
  };

  const std::chrono::milliseconds again_after_;
  std::uint64_t seen_ = 0;                // StoreReads::changes() of the last complete look
  std::map<std::string, Looked> looked_;  // by VM id
  std::optional<Clock::time_point> due_;  // the earliest `next`
};

}  // namespace qarax::server
