// The parts of a server on a real store in a folder, and a fake node that they reach over a real gRPC port. Tests can
// stop and restart the server's parts as if it were the program.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "adopter.hpp"
#include "fake_node_server.hpp"
#include "nodes.hpp"
#include "orchestrator.hpp"
#include "temp_folder.hpp"

namespace qarax::server {

class OverAFakeNode : public ::testing::Test {
 protected:
  void SetUp() override {
    open();
    host_ = register_host();
    up();
  }
  void TearDown() override { close(); }
  std::string file() const { return dir_ + "/qarax.db"; }
  virtual void open() {
    auto opened = open_sqlite(file());
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    nodes_ = std::make_unique<Nodes>(*store_, NodeCredentials{});
    orchestrator_ = std::make_unique<Orchestrator>(*store_, *nodes_);
    orchestrator_->start();
    adopter_ = std::make_unique<Adopter>(*store_, *nodes_);
  }
  virtual void close() {
    adopter_.reset();
    orchestrator_.reset();
    nodes_.reset();
    store_.reset();
  }
  std::string register_host() {
    const auto added = orchestrator_->add_host({"h1", "127.0.0.1", server_.port(), ""});
    EXPECT_TRUE(added) << added.error().message;
    return (*added)->id;
  }
  Result<HostPtr> try_connect() { return orchestrator_->init_host(host_, 20'000); }
  void up() {
    const auto connected = try_connect();
    ASSERT_TRUE(connected) << connected.error().message;
  }
  std::string started(const std::string& name, std::optional<std::string> words = std::nullopt) {
    VmSpec spec;
    spec.memory_size = 256LL << 20;
    const auto made = orchestrator_->create({name, std::move(words), "", std::nullopt, spec});
    EXPECT_TRUE(made) << made.error().message;
    const auto begun = orchestrator_->act((*made)->id, core::Action::start, {});
    EXPECT_TRUE(begun) << begun.error().message;
    return (*made)->id;
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  FakeNode node_;
  FakeNodeServer server_{node_};
  std::string host_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Nodes> nodes_;
  std::unique_ptr<Orchestrator> orchestrator_;
  std::unique_ptr<Adopter> adopter_;
};

}  // namespace qarax::server
