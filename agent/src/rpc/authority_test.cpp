#include "authority.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace qarax::agent {
namespace {

class AuthorityTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qarax-authority-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string path() const { return dir_ + "/cluster.json"; }
  std::unique_ptr<AuthorityStore> open() const {
    auto store = AuthorityStore::open(path());
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }

  std::string dir_;
};

TEST_F(AuthorityTest, ANewNodeObeysNobodyUntilItIsGreeted) {
  const auto store = open();
  EXPECT_EQ(store->check({"cluster", 1, "a"}).error().reason, "other-cluster");
  const auto obeyed = store->greet({"cluster", 1, "a"});
  ASSERT_TRUE(obeyed);
  EXPECT_EQ(obeyed->highest_term, 0);
  EXPECT_EQ(obeyed->last_activation, "");
  EXPECT_TRUE(store->check({"cluster", 1, "a"}));
}

TEST_F(AuthorityTest, AnotherClusterIsRefusedWithTheWayOut) {
  const auto store = open();
  ASSERT_TRUE(store->greet({"ours", 5, "a"}));
  const auto other = store->greet({"theirs", 99, "b"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::failed_precondition);
  EXPECT_EQ(other.error().reason, "other-cluster");
  EXPECT_NE(other.error().message.find(path()), std::string::npos);
  EXPECT_TRUE(store->check({"ours", 5, "a"})) << "a refused greeting changes nothing";
}

TEST_F(AuthorityTest, ATermOnlyRises) {
  const auto store = open();
  ASSERT_TRUE(store->greet({"ours", 5, "a"}));
  EXPECT_EQ(store->greet({"ours", 4, "b"}).error().reason, "stale-term");
  const auto raised = store->greet({"ours", 6, "c"});
  ASSERT_TRUE(raised);
  EXPECT_EQ(raised->highest_term, 5);
  EXPECT_EQ(raised->last_activation, "a");
  EXPECT_EQ(store->check({"ours", 5, "a"}).error().reason, "stale-term") << "the server before it is too late";
  EXPECT_EQ(store->check({"ours", 7, "c"}).error().reason, "stale-term") << "it has to greet first";
}

TEST_F(AuthorityTest, ARestartedNodeRemembers) {
  ASSERT_TRUE(open()->greet({"ours", 5, "a"}));
  const auto store = open();
  EXPECT_TRUE(store->check({"ours", 5, "a"}));
  EXPECT_EQ(store->greet({"ours", 4, "b"}).error().reason, "stale-term");
  EXPECT_EQ(store->greet({"theirs", 9, "b"}).error().reason, "other-cluster");
  const auto again = store->greet({"ours", 5, "a"});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->last_activation, "a");
}

TEST_F(AuthorityTest, AGreetingWithoutAClusterOrATermIsNone) {
  const auto store = open();
  EXPECT_EQ(store->greet({"", 1, "a"}).error().code, Code::invalid_argument);
  EXPECT_EQ(store->greet({"ours", 0, "a"}).error().code, Code::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(AuthorityTest, ADamagedFileIsNeverForgotten) {
  std::ofstream(path()) << "{\"cluster_id\":";
  const auto store = AuthorityStore::open(path());
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("damaged"), std::string::npos) << store.error().message;
}

TEST_F(AuthorityTest, WhatCantBeWrittenIsNotObeyed) {
  const auto store = AuthorityStore::open(dir_ + "/missing/cluster.json");
  ASSERT_TRUE(store);
  EXPECT_FALSE((*store)->greet({"ours", 1, "a"}));
  EXPECT_FALSE((*store)->check({"ours", 1, "a"}));
}

}  // namespace
}  // namespace qarax::agent
