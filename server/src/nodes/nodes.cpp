#include "nodes.hpp"

#include <mutex>

namespace qarax::server {

void Nodes::start(const HostPtr& host) {
  const std::unique_lock lock(mutex_);
  // Removing or moving a host drops its link afterwards. So a link that is made here has the host's present address, or
  // will still be dropped.
  const HostPtr now = store_.host(host->id);
  if (!stopped_ && now && !links_.contains(now->id))
    links_.emplace(now->id, std::make_shared<NodeLink>(now, store_, calls_, credentials_, events_));
}

void Nodes::drop(const std::string& host_id) {
  std::shared_ptr<NodeLink> ending;
  {
    const std::unique_lock lock(mutex_);
    const auto found = links_.find(host_id);
    if (found == links_.end()) return;
    ending = std::move(found->second);
    links_.erase(found);
  }
  ending->stop();
}

void Nodes::stop() {
  std::map<std::string, std::shared_ptr<NodeLink>> ending;
  {
    const std::unique_lock lock(mutex_);
    stopped_ = true;
    ending.swap(links_);
  }
  // Interrupts all of them first, so that the waits for hosts that don't answer don't add up.
  for (const auto& [id, link] : ending) link->interrupt();
  for (const auto& [id, link] : ending) link->stop();
}

std::shared_ptr<NodeAccess> Nodes::link(const std::string& host_id) const {
  const std::shared_lock lock(mutex_);
  const auto found = links_.find(host_id);
  return found == links_.end() ? nullptr : found->second;
}

void Nodes::check_heartbeats() {
  const std::shared_lock lock(mutex_);
  for (const auto& [id, link] : links_) link->check_heartbeat();
}

void Nodes::reconnect_all() {
  const std::shared_lock lock(mutex_);
  for (const auto& [id, link] : links_) link->reconnect();
}

}  // namespace qarax::server
