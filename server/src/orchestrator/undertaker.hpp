// Has nodes delete the VMs that were forgotten while they were away: for each tombstone the delete is sent to its node
// until that no longer has the VM. Burials decides when.
#pragma once

#include <mutex>
#include <stop_token>
#include <string>

#include "burials.hpp"
#include "fleet.hpp"
#include "qarax/core/worker_pool.hpp"
#include "store.hpp"

namespace qarax::server {

// Thread-safe. Its lock is held only for Burials, never across a call to the store or to a node.
class Undertaker {
 public:
  // Borrows all. `timeout_ms`: for the node's answer. Once a stop of `closing` is requested, nothing is sent any more.
  // The fleet's threads and the pool, which takes the answers because they are written to the database, call this
  // object until both were stopped, the fleet first.
  Undertaker(Store& store, const Fleet& nodes, core::WorkerPool& pool, Burials::Options options,
             std::int64_t timeout_ms, std::stop_token closing);

  // Sends the deletes of the host's tombstones that are due. Does nothing while the host's node isn't up or the
  // database is read-only; call it again then. Doesn't wait for the answers.
  void bury_all(const std::string& host_id);

 private:
  void bury(NodeAccess& node, const Tombstone& stone);
  void heard_of(const Tombstone& stone, const CommandOutcome& outcome);
  void lost(const std::string& vm_id);

  Store& store_;
  const Fleet& nodes_;
  core::WorkerPool& pool_;
  const std::int64_t timeout_ms_;
  const std::stop_token closing_;

  std::mutex mutex_;
  Burials burials_;
};

}  // namespace qarax::server
