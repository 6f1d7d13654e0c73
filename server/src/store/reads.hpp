// What the store shows of its records, from memory. Part of Store.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "job.hpp"
#include "records.hpp"
#include "tombstone.hpp"

namespace qarax::server {

// Thread-safe.
class StoreReads {
 public:
  virtual ~StoreReads() = default;

  virtual VmPtr vm(const std::string& id) const = 0;  // null: there is none
  virtual std::vector<VmPtr> vms() const = 0;         // in order of creation
  virtual HostPtr host(const std::string& id) const = 0;
  virtual std::vector<HostPtr> hosts() const = 0;
  // Number of changes of VMs and hosts so far. wait_for_change() blocks until it is no longer `seen`, or until the
  // given time.
  virtual std::uint64_t changes() const = 0;
  virtual void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const = 0;

  virtual std::vector<Reservation> reservations() const = 0;
  virtual std::vector<SnapshotPtr> snapshots(const std::string& vm_id) const = 0;  // in order of creation
  virtual SnapshotPtr snapshot(const std::string& id) const = 0;                   // null: none
  virtual std::vector<Tombstone> tombstones(const std::string& host_id) const = 0;
  virtual std::vector<JobRecord> unfinished_jobs() const = 0;  // of VMs
  virtual std::vector<JobPtr> unfinished_host_jobs() const = 0;

  // Why every change is refused with UNAVAILABLE "read-only" until an adopt; empty: changes are possible.
  virtual std::string read_only() const = 0;
};

}  // namespace qarax::server
