#include "wiring/config_nodes.hpp"

#include <Poco/Net/ServerSocket.h>
#include <gtest/gtest.h>

#include <set>

#include "handlers/fake_operations.hpp"

namespace qarax::server {
namespace {

using testing::FakeOperations;
using testing::TempStore;

class ConfigNodesTest : public ::testing::Test {
 protected:
  void registered(const std::vector<NodeEntry>& nodes) {
    register_nodes(nodes, *store, operations, [this](const HostRecord& host) { return answering.contains(host.port); });
  }
  std::multiset<std::pair<std::string, std::int64_t>> hosts() {
    std::multiset<std::pair<std::string, std::int64_t>> out;
    for (const HostPtr& host : store->hosts()) out.emplace(host->name, host->port);
    return out;
  }
  using Hosts = std::multiset<std::pair<std::string, std::int64_t>>;

  TempStore store;
  FakeOperations operations{*store};
  std::set<std::int64_t> answering;
};

TEST_F(ConfigNodesTest, EachIsRegisteredOnce) {
  registered({{"a", "10.0.0.1", 1}, {"b", "10.0.0.1", 2}});
  registered({{"a", "10.0.0.1", 1}, {"other name", "10.0.0.1", 2}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 1}, {"b", 2}})) << "an address and port are one node, whatever it is called";
}

TEST_F(ConfigNodesTest, OneThatMovedToAnotherPortStaysTheSameHost) {
  registered({{"a", "10.0.0.1", 1}});
  const std::string id = store->hosts().front()->id;
  registered({{"a", "10.0.0.1", 7}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 7}}));
  EXPECT_EQ(store->hosts().front()->id, id);
}

TEST_F(ConfigNodesTest, OneThatADatabaseThatWasSetBackWaitsForMovesToo) {
  registered({{"a", "10.0.0.1", 1}, {"b", "10.0.0.1", 2}});
  ASSERT_TRUE(store->mark_set_back(store->hosts().front()->id, "its node has seen more"));
  registered({{"a", "10.0.0.1", 7}, {"b", "10.0.0.1", 8}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 7}, {"b", 8}}));
}

TEST_F(ConfigNodesTest, WhatStillAnswersWasntMovedByTheConfig) {
  registered({{"a", "10.0.0.1", 1}});
  answering = {1};
  registered({{"a", "10.0.0.1", 7}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 1}})) << "and its name keeps another one from being added";
}

TEST_F(ConfigNodesTest, AnotherMachineOrAnotherEntrysPortIsNoMove) {
  registered({{"a", "10.0.0.1", 1}});
  registered({{"a", "10.0.0.2", 1}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 1}})) << "the name is taken";
  EXPECT_EQ(store->hosts().front()->address, "10.0.0.1");
  registered({{"a", "10.0.0.1", 7}, {"b", "10.0.0.1", 1}});
  EXPECT_EQ(hosts(), (Hosts{{"a", 1}})) << "host a stands for b's entry, which is at its port";
}

TEST_F(ConfigNodesTest, WhoListensAnswers) {
  HostRecord host;
  host.address = "127.0.0.1";
  {
    Poco::Net::ServerSocket listening(Poco::Net::SocketAddress("127.0.0.1", 0));
    host.port = listening.address().port();
    EXPECT_TRUE(answers_tcp(host));
  }
  EXPECT_FALSE(answers_tcp(host));
}

}  // namespace
}  // namespace qarax::server
