// The memory that hosts have reserved for VMs, as it is known in memory. Thread-safe: it has a mutex of its own, so
// that a reader doesn't wait for the commit under way. A decision that spans several calls needs the store's state().
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "records.hpp"

namespace qarax::server {

class Reservations {
 public:
  std::optional<Reservation> of(const std::string& vm_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_vm_.find(vm_id);
    return found == by_vm_.end() ? std::nullopt : std::optional<Reservation>(found->second);
  }
  std::vector<Reservation> all() const {
    const std::lock_guard lock(mutex_);
    std::vector<Reservation> out;
    out.reserve(by_vm_.size());
    for (const auto& [vm, reservation] : by_vm_) out.push_back(reservation);
    return out;
  }
  // Memory that is promised to the VMs of a host, in bytes, without that of VM `except`.
  std::int64_t sum_on(const std::string& host_id, const std::string& except = {}) const {
    const std::lock_guard lock(mutex_);
    std::int64_t sum = 0;
    for (const auto& [vm, reservation] : by_vm_)
      if (reservation.host_id == host_id && vm != except) sum += reservation.memory;
    return sum;
  }
  void put(Reservation reservation) {
    const std::lock_guard lock(mutex_);
    std::string vm_id = reservation.vm_id;
    by_vm_.insert_or_assign(std::move(vm_id), std::move(reservation));
  }
  void erase(const std::string& vm_id) {
    const std::lock_guard lock(mutex_);
    by_vm_.erase(vm_id);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Reservation> by_vm_;
};

}  // namespace qarax::server
