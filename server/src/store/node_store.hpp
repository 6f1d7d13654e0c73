// What the connections to the nodes need of the store: the records, who this server is, and a place for what nodes
// tell. Part of Store, whose contract holds here too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qarax/core/documents.hpp"
#include "qarax/result.hpp"
#include "reads.hpp"

namespace qarax::server {

// This activation of the server, as Hello and every command carry it. Each start of a server and each adopt of a whole
// host begins one, and so may remove_host().
struct Activation {
  std::string cluster_id;
  std::int64_t term = 0;
  std::string id;
};

// How far an activation's changes have come. `position` is the number of the last event; everything up to it is on
// disk, so that a node that was told a position can later prove that the database once had it.
struct Progress {
  Activation activation;
  std::int64_t position = 0;
};

class NodeStore : public StoreReads {
 public:
  virtual Activation activation() const = 0;  // an adopt begins another one
  virtual Progress progress() const = 0;      // never beyond what that activation has committed

  // -- hosts --
  // Status and facts are in memory only; the pinned node_id is durable.
  virtual Status pin_node(const std::string& host_id, const std::string& node_id) = 0;
  virtual void update_host(const std::string& host_id, HostStatus status, const std::string& reason,
                           const std::optional<core::NodeInfo>& info) = 0;

  // -- observations --
  // Applied only if host, incarnation, session and sequence number show that it is newer. Written as late as
  // JobStore::finish_job's changes. Null: not applied; if the node knows only an earlier incarnation of an unknown VM,
  // that becomes the reason.
  virtual VmPtr apply_report(const std::string& host_id, const core::VmReport& report) = 0;
  // All VMs of the host that may run become unknown. The status is written soon, so that a restarted server doesn't
  // report the change again.
  virtual void lose_host(const std::string& host_id, const std::string& reason) = 0;
  // The same for one VM, whose report can't be read. No effect if it is none of the host's.
  virtual void lose_vm(const std::string& host_id, const std::string& vm_id, const std::string& reason) = 0;
  // Called after a snapshot of the node's VMs: VMs of the host that may run and aren't in it become unknown, never
  // shutdown.
  virtual void missing_from_snapshot(const std::string& host_id, const std::vector<std::string>& seen) = 0;

  // -- a database that was set back, or lost --
  virtual Result<bool> knows_activation(const std::string& id) = 0;
  // The position at which the next activation began. nullopt: this one is the last or unknown, or an older server,
  // which recorded no position, followed it.
  virtual Result<std::optional<std::int64_t>> end_of_activation(const std::string& id) = 0;
  // Records the proof that this host's node has obeyed a later state of this database. Durable; changes are refused
  // from here on, until this host is adopted or removed, and each host that this server hasn't heard yet is heard,
  // adopted or removed. A second call for the same host has no effect.
  virtual Status mark_set_back(const std::string& host_id, const std::string& proof) = 0;
  // Called when the host's node has told all that it knows, after mark_set_back() if that proved something.
  virtual Status hear(const std::string& host_id) = 0;
};

}  // namespace qarax::server
