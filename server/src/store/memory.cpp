#include "memory.hpp"

#include <algorithm>
#include <mutex>

namespace qarax::server {

VmPtr Memory::vm(const std::string& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::vector<VmPtr> Memory::vms() const {
  const std::shared_lock lock(mutex_);
  std::vector<VmPtr> out;
  out.reserve(by_order_.size());
  for (const auto& [order, vm] : by_order_) out.push_back(vm);
  return out;
}

HostPtr Memory::host(const std::string& id) const {
  const std::shared_lock lock(mutex_);
  const auto found = hosts_.find(id);
  return found == hosts_.end() ? nullptr : found->second;
}

std::vector<HostPtr> Memory::hosts() const {
  const std::shared_lock lock(mutex_);
  std::vector<HostPtr> out;
  for (const auto& [id, host] : hosts_) out.push_back(host);
  std::sort(out.begin(), out.end(), [](const HostPtr& a, const HostPtr& b) { return a->name < b->name; });
  return out;
}

VmPtr Memory::store(VmRecord record) {
  record.version = ++version_;
  auto stored = std::make_shared<const VmRecord>(std::move(record));
  by_id_[stored->id] = stored;
  by_order_[stored->order] = stored;
  return stored;
}

VmPtr Memory::put(VmRecord record) {
  const std::unique_lock lock(mutex_);
  return store(std::move(record));
}

void Memory::erase(const VmRecord& record) {
  const std::unique_lock lock(mutex_);
  by_id_.erase(record.id);
  by_order_.erase(record.order);
}

void Memory::put(HostRecord record) {
  const std::unique_lock lock(mutex_);
  auto stored = std::make_shared<const HostRecord>(std::move(record));
  hosts_[stored->id] = std::move(stored);
}

}  // namespace qarax::server
