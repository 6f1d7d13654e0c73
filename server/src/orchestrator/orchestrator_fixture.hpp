// An orchestrator on a real store and a fake node. Each test runs twice: over gRPC as in the server, and without it for
// ThreadSanitizer (filter Direct/*). For tests only.
#pragma once

#include <gtest/gtest.h>

#include <future>

#include "editor.hpp"
#include "fake_fleet.hpp"
#include "fake_node_server.hpp"
#include "node_queries.hpp"
#include "nodes.hpp"
#include "orchestrator.hpp"
#include "qarax/core/ids.hpp"
#include "temp_folder.hpp"
#include "wait_until.hpp"

namespace qarax::server {

using core::Action;

enum class Way { grpc, direct };

class OrchestratorTest : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    if (GetParam() == Way::grpc) server_ = std::make_unique<FakeNodeServer>(node_);
    open();
    const auto added = orchestrator_->add_host({"h1", "127.0.0.1", server_ ? server_->port() : 1, ""});
    ASSERT_TRUE(added) << added.error().message;
    host_ = (*added)->id;
    up();
  }
  void TearDown() override { close(); }
  void open() {
    auto opened = open_sqlite(folder_ / "qarax.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    if (GetParam() == Way::grpc)
      nodes_ = std::make_unique<Nodes>(*store_, NodeCredentials{});
    else
      nodes_ = std::make_unique<FakeFleet>(*store_, node_);
    OrchestratorOptions options;
    options.restarts = {1, 2, 600'000};
    options.burials = {1, 2};
    options.stop_timeout_ms = stop_timeout_ms_;
    orchestrator_ = std::make_unique<Orchestrator>(*store_, *nodes_, options);
    orchestrator_->start();
  }
  void close() {
    node_.hang(false);
    close_alone();
  }
  // Ends only the server; commands that hang at the node stay there.
  void close_alone() {
    orchestrator_.reset();
    nodes_.reset();
    store_.reset();
  }
  void up() {
    const auto connected = orchestrator_->init_host(host_, 20'000);
    ASSERT_TRUE(connected) << connected.error().message;
  }
  std::string vm(const std::string& name) {
    const auto made = orchestrator_->create({name, std::nullopt, "", std::nullopt, {}});
    EXPECT_TRUE(made) << made.error().message;
    return (*made)->id;
  }
  NodeQueries queries() const { return {*store_, *nodes_}; }
  Result<VmPtr> act(const std::string& id, Action action) { return orchestrator_->act(id, action, {}); }
  std::future<Result<VmPtr>> begin(const std::string& id, Action action) {
    return std::async(std::launch::async, [this, id, action] { return act(id, action); });
  }
  VmState state(const std::string& id) const { return store_->vm(id)->observed.status.state; }
  // Waits until the VM has no job and is in that state.
  void settle(const std::string& id, VmState wanted) const {
    wait_until(*store_, "a VM without a job that is " + std::string(to_string(wanted)), [&] {
      const VmPtr now = store_->vm(id);
      return now && now->job_id.empty() && now->observed.status.state == wanted;
    });
    // A job's end becomes visible a moment after its VM's, under the same lock, which this call takes.
    static_cast<void>(store_->unfinished_jobs());
  }
  void wait_for_state(const std::string& id, VmState wanted) const {
    wait_until(*store_, "a VM that is " + std::string(to_string(wanted)), [&] { return state(id) == wanted; });
  }

  // Begins a start that hangs at its node; returns its job's id.
  std::string hanging_start(const std::string& id, std::future<Result<VmPtr>>& start) {
    node_.hang(true);
    start = begin(id, Action::start);
    node_.wait_for_command(Action::start);
    return store_->vm(id)->job_id;
  }
  void make_node_older() {
    node_.forget_features();
    stop_node();
    wait_until(*store_, "the host is down", [&] { return store_->host(host_)->status == HostStatus::down; });
    start_node();
    up();
  }

  void stop_node() { server_ ? server_->stop() : node_.stop(); }
  void start_node() { server_ ? server_->start() : node_.start(); }

  TempFolder folder_;
  std::int64_t stop_timeout_ms_ = OrchestratorOptions{}.stop_timeout_ms;  // of the servers that are opened later
  FakeNode node_;
  std::unique_ptr<FakeNodeServer> server_;
  std::string host_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Fleet> nodes_;
  std::unique_ptr<Orchestrator> orchestrator_;
};

}  // namespace qarax::server
