// The records in memory, which is what readers see. Updated only after the commit, except where the store documents
// otherwise. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "records.hpp"

namespace qarax::server {

class Memory {
 public:
  VmPtr vm(const std::string& id) const;
  std::vector<VmPtr> vms() const;
  HostPtr host(const std::string& id) const;
  std::vector<HostPtr> hosts() const;

  std::uint64_t changes() const;
  void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const;

  VmPtr put(VmRecord record);  // assigns the record's version
  void erase(const VmRecord& record);
  HostPtr put(HostRecord record);
  void erase_host(const std::string& id);
  // Changes one record under the lock, so that no update is lost. Null: there is no such record, or `change` returned
  // false.
  template <class Change>
  VmPtr update(const std::string& id, Change change) {
    const std::unique_lock lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return nullptr;
    VmRecord copy = *found->second;
    if (!change(copy)) return nullptr;
    return store(std::move(copy));
  }
  template <class Change>
  HostPtr update_host(const std::string& id, Change change) {
    const std::unique_lock lock(mutex_);
    const auto found = hosts_.find(id);
    if (found == hosts_.end()) return nullptr;
    HostRecord copy = *found->second;
    change(copy);
    return store(std::move(copy));
  }

 private:
  VmPtr store(VmRecord record);
  HostPtr store(HostRecord record);

  void changed();  // with mutex_ held

  mutable std::shared_mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::unordered_map<std::string, VmPtr> by_id_;
  std::map<std::int64_t, VmPtr> by_order_;
  std::map<std::string, HostPtr> hosts_;
  std::uint64_t version_ = 0;
};

}  // namespace qarax::server
