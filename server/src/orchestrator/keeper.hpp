// Sees to it that nodes keep what the server would want back of their VMs, also when it changes between two starts: a
// name, a description, tags. Best effort, and again when a node comes back.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fleet.hpp"
#include "store.hpp"

namespace qarax::server {

// One thread.
class Keeper {
 public:
  // Borrows both.
  Keeper(const Store& store, const Fleet& nodes) : store_(store), nodes_(nodes) {}

  // Tells the nodes what is other than they say; called regularly.
  void look();

 private:
  const Store& store_;
  const Fleet& nodes_;
  std::uint64_t seen_ = 0;                          // of the store's changes
  std::map<std::string, std::uint64_t> looked_at_;  // version of the record, by VM
};

}  // namespace qarax::server
