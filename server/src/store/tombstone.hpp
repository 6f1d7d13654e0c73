// A VM whose record was removed although its node may still have it.
#pragma once

#include <cstdint>
#include <string>

namespace qarax::server {

// Stays until the node has confirmed that the VM is deleted there, or until its host is removed.
struct Tombstone {
  std::string vm_id;
  std::string host_id;
  std::int64_t revision = 0;  // of the delete that the node is sent
  std::int64_t memory = 0;    // in bytes; stays reserved on the host as long as the tombstone, as the VM may still run

  friend bool operator==(const Tombstone&, const Tombstone&) = default;
};

}  // namespace qarax::server
