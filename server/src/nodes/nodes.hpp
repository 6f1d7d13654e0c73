// All nodes of the fleet, by host id. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include "node_link.hpp"

namespace qarax::server {

class Nodes {
 public:
  Nodes(Store& store, NodeCredentials credentials) : store_(store), credentials_(std::move(credentials)) {}
  ~Nodes() { stop(); }

  // Before the first start(); called from the links' threads.
  void on(NodeLink::Events events) { events_ = std::move(events); }
  void start(const HostPtr& host);  // connects in the background, and again whenever it is lost
  void stop();                      // ends every link; after it no event comes
  std::shared_ptr<NodeLink> link(const std::string& host_id) const;  // null: none
  void check_heartbeats();

 private:
  Store& store_;
  const NodeCredentials credentials_;
  NodeLink::Events events_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<NodeLink>> links_;
};

}  // namespace qarax::server
