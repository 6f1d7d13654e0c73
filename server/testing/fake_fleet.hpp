// A fleet of one fake node without gRPC in between: ThreadSanitizer can't follow a library that wasn't built with it.
#pragma once

#include <atomic>
#include <thread>

#include "fake_node.hpp"
#include "fleet.hpp"
#include "qarax/core/worker_pool.hpp"

namespace qarax::server {

class FakeFleet final : public Fleet {
 public:
  FakeFleet(NodeStore& store, FakeNode& node) : store_(store), node_(node) {}
  ~FakeFleet() override { stop(); }

  void on(Events events) override { events_ = std::move(events); }
  void start(const HostPtr& host) override;
  void drop(const std::string& host_id) override;
  void stop() override;
  std::shared_ptr<NodeAccess> link(const std::string& host_id) const override;
  void check_heartbeats() override {}
  void reconnect_all() override {}
  std::int64_t last_survey_ms() const;  // time that the last survey was given

 private:
  class Link;
  void follow(const std::string& host_id);

  NodeStore& store_;
  FakeNode& node_;
  Events events_;
  mutable std::mutex mutex_;
  std::shared_ptr<Link> link_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace qarax::server
