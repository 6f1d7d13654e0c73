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

std::uint64_t Memory::changes() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

void Memory::wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point until) const {
  std::shared_lock lock(mutex_);
  changed_.wait_until(lock, until, [&] { return version_ != seen; });
}

void Memory::changed() {
  ++version_;
  changed_.notify_all();
}

VmPtr Memory::store(VmRecord record) {
  changed();
  record.version = version_;
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
  changed();
  by_id_.erase(record.id);
  by_order_.erase(record.order);
}

HostPtr Memory::store(HostRecord record) {
  changed();
  record.version = version_;
  auto stored = std::make_shared<const HostRecord>(std::move(record));
  hosts_[stored->id] = stored;
  return stored;
}

HostPtr Memory::put(HostRecord record) {
  const std::unique_lock lock(mutex_);
  return store(std::move(record));
}

void Memory::erase_host(const std::string& id) {
  const std::unique_lock lock(mutex_);
  changed();
  hosts_.erase(id);
}

}  // namespace qarax::server
