// All nodes of the fleet, by host id. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include "node_link.hpp"

namespace qarax::server {

class Nodes final : public Fleet {
 public:
  Nodes(NodeStore& store, NodeCredentials credentials) : store_(store), credentials_(std::move(credentials)) {}
  ~Nodes() override { stop(); }

  void on(Events events) override { events_ = std::move(events); }
  void start(const HostPtr& host) override;
  void drop(const std::string& host_id) override;
  void stop() override;
  std::shared_ptr<NodeAccess> link(const std::string& host_id) const override;
  void check_heartbeats() override;
  void reconnect_all() override;

 private:
  NodeStore& store_;
  CallQueue calls_;
  const NodeCredentials credentials_;
  Events events_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<NodeLink>> links_;
  bool stopped_ = false;
};

}  // namespace qarax::server
