// Two servers, an old one that comes back, one whose database was set back: which one the node obeys.
#include "authority.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "qarax/core/files.hpp"
#include "temp_folder.hpp"

namespace qarax::agent {
namespace {

class AuthorityTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    auto opened = AuthorityStore::open(dir_ + "/cluster.json");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  std::string refusal(const AuthorityClaim& claim) {
    const auto greeted = store_->greet(claim);
    return greeted ? "" : greeted.error().reason;
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  std::unique_ptr<AuthorityStore> store_;
};

TEST_F(AuthorityTest, ANewNodeObeysNobodyUntilItIsGreeted) {
  EXPECT_EQ(store_->check({"c", 1, "a"}).error().reason, "other-cluster");
  const auto obeyed = store_->greet({"c", 1, "a"});
  ASSERT_TRUE(obeyed);
  EXPECT_EQ(obeyed->highest_term, 0);
  EXPECT_EQ(obeyed->last_activation, "");
  EXPECT_TRUE(store_->check({"c", 1, "a"}));
}

TEST_F(AuthorityTest, AGreetingWithoutAClusterOrATermIsNone) {
  EXPECT_EQ(store_->greet({"", 1, "a"}).error().code, Code::invalid_argument);
  EXPECT_EQ(store_->greet({"c", 0, "a"}).error().code, Code::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/cluster.json"));
}

TEST_F(AuthorityTest, ATermAfterWhichThereIsNoneIsNotObeyed) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  for (const std::int64_t term : {kMost + 1, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(store_->greet({"c", term, "a"}).error().code, Code::invalid_argument);
    EXPECT_EQ(store_->adopt({"c", term, "a"}, {}).error().code, Code::invalid_argument);
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/cluster.json"));
  EXPECT_TRUE(store_->greet({"c", kMost, "a"}));
}

TEST_F(AuthorityTest, WhatCantBeWrittenIsNotObeyed) {
  const auto store = AuthorityStore::open(dir_ + "/missing/cluster.json");
  ASSERT_TRUE(store);
  EXPECT_FALSE((*store)->greet({"c", 1, "a"}));
  EXPECT_FALSE((*store)->check({"c", 1, "a"}));
}

TEST_F(AuthorityTest, TheHighestTermIsObeyedAlsoAfterARestart) {
  ASSERT_TRUE(store_->greet({"c", 1, "a"}));
  const auto second = store_->greet({"c", 2, "b"});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->last_activation, "a");
  EXPECT_EQ(second->highest_term, 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(refusal({"c", 1, "a"}), "stale-term");
    EXPECT_EQ(store_->check({"c", 1, "a"}).error().reason, "stale-term");
    EXPECT_TRUE(store_->check({"c", 2, "b"}));
    open();
  }
}

TEST_F(AuthorityTest, OfTwoCopiesOfOneServerOnlyTheFirstIsObeyed) {
  ASSERT_TRUE(store_->greet({"c", 2, "first"}));
  EXPECT_EQ(refusal({"c", 2, "second"}), "stale-term");
  EXPECT_EQ(store_->check({"c", 2, "second"}).error().reason, "stale-term");
  EXPECT_TRUE(store_->check({"c", 2, "first"}));
}

TEST_F(AuthorityTest, AnotherClusterIsRefusedUntilAnAdopt) {
  ASSERT_TRUE(store_->greet({"c", 7, "a"}));
  EXPECT_EQ(refusal({"other", 9, "b"}), "other-cluster");
  EXPECT_EQ(store_->adopt({"other", 1, "b"}, {"c", 6, "x"}).error().reason, "plan-changed");
  EXPECT_TRUE(store_->check({"c", 7, "a"})) << "a refused adopt changes nothing";
  const AuthorityClaim seen = store_->standing().obeyed;
  ASSERT_TRUE(store_->adopt({"other", 1, "b"}, seen));
  EXPECT_TRUE(store_->adopt({"other", 1, "b"}, seen)) << "asked for again after a lost reply";
  open();
  EXPECT_TRUE(store_->check({"other", 1, "b"}));
  EXPECT_EQ(refusal({"c", 8, "z"}), "other-cluster");
}

TEST_F(AuthorityTest, HowFarItsServerHasComeIsRememberedForAsLongAsItIsObeyed) {
  const AuthorityClaim first{"c", 1, "a"};
  EXPECT_EQ(store_->standing().position, 0);
  ASSERT_TRUE(store_->greet(first));
  store_->reached(first, 7);
  store_->reached(first, 5);
  store_->reached({"c", 1, "b"}, 99);
  store_->reached(first, 0);  // an older server, which names no position
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(store_->standing().position, 7) << "the highest, and of nobody else";
    ASSERT_TRUE(store_->greet(first)) << "the same one again";
    open();
  }
  const AuthorityClaim second{"c", 2, "b"};
  ASSERT_TRUE(store_->greet(second));
  EXPECT_EQ(store_->standing().position, 0) << "of the next one nothing is known yet";
  open();
  EXPECT_EQ(store_->standing().position, 0) << "also where the agent ended in between";
  store_->reached(second, 3);
  open();
  EXPECT_EQ(store_->standing().position, 3) << "each has a count of its own";
  ASSERT_TRUE(store_->adopt({"other", 1, "z"}, second));
  EXPECT_EQ(store_->standing().position, 0);
  EXPECT_EQ(store_->standing().obeyed.activation, "z");
}

TEST_F(AuthorityTest, APositionThatCannotBeReadProvesNothing) {
  const AuthorityClaim claim{"c", 1, "a"};
  ASSERT_TRUE(store_->greet(claim));
  store_->reached(claim, 7);
  std::filesystem::resize_file(dir_ + "/position.json", 9);
  open();
  EXPECT_EQ(store_->standing().position, 0);
  store_->reached(claim, 8);
  open();
  EXPECT_EQ(store_->standing().position, 8);
}

TEST_F(AuthorityTest, ATornWriteIsMadeGoodByItsCopy) {
  ASSERT_TRUE(store_->greet({"c", 1, "a"}));
  ASSERT_TRUE(store_->greet({"c", 2, "b"}));
  for (const char* file : {"/cluster.json", "/cluster.copy"}) {
    auto text = core::read_file(dir_ + file);
    ASSERT_TRUE(text);
    const std::size_t at = text->find("\"term\":2");
    ASSERT_NE(at, std::string::npos) << *text;
    std::fstream(dir_ + file, std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(at + 7)) << '1';
    open();
    EXPECT_EQ(store_->standing().obeyed.term, 2) << file << " is a document still, and no claim that was ever made";
    open();
    EXPECT_EQ(core::read_file(dir_ + file)->size(), text->size());
  }
}

TEST_F(AuthorityTest, ADamagedFileIsAnErrorAndNeverNobody) {
  ASSERT_TRUE(store_->greet({"c", 1, "a"}));
  for (const char* file : {"/cluster.json", "/cluster.copy"}) std::filesystem::resize_file(dir_ + file, 3);
  EXPECT_FALSE(AuthorityStore::open(dir_ + "/cluster.json"));
}

TEST_F(AuthorityTest, AnOlderAgentsFileIsReadAndHasRoomForWhatFollows) {
  ASSERT_TRUE(core::write_file_durably(dir_ + "/cluster.json", R"({"cluster_id":"c","term":3,"activation":"a"})"));
  open();
  EXPECT_TRUE(store_->check({"c", 3, "a"}));
  EXPECT_EQ(std::filesystem::file_size(dir_ + "/cluster.json"), 512u);
  open();
  EXPECT_TRUE(store_->check({"c", 3, "a"}));
}

// On a full disk, a server that was started since must still be able to delete what fills it.
TEST_F(AuthorityTest, ADiskThatTakesNothingKeepsNoServerOut) {
  const std::string disk = folder_ / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("qarax-test", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "a disk of its own wants root: " << std::strerror(errno);
  const auto reopen = [&] { store_ = std::move(*AuthorityStore::open(disk + "/cluster.json")); };
  const auto remount = [&](unsigned long more) {
    EXPECT_EQ(::mount("qarax-test", disk.c_str(), "tmpfs", MS_REMOUNT | more, "size=64k"), 0) << std::strerror(errno);
  };
  reopen();
  ASSERT_TRUE(store_->greet({"c", 1, "a"}));
  std::ofstream(disk + "/filler") << std::string(1 << 20, 'x');
  ASSERT_FALSE(core::write_file_durably(disk + "/more", "x")) << "the disk is full";
  EXPECT_EQ(refusal({"c", 2, "b"}), "");
  reopen();
  EXPECT_TRUE(store_->check({"c", 2, "b"})) << "and it is kept";

  remount(MS_RDONLY);
  EXPECT_EQ(refusal({"c", 3, "c"}), "");
  EXPECT_TRUE(store_->check({"c", 3, "c"}));
  EXPECT_EQ(refusal({"c", 2, "b"}), "stale-term") << "it is obeyed all the same";
  EXPECT_EQ(store_->adopt({"other", 1, "z"}, {"c", 3, "c"}).error().reason, "disk-read-only")
      << "another cluster only where it can be kept";
  remount(0);
  store_->reached({"c", 3, "c"}, 0);
  reopen();
  EXPECT_TRUE(store_->check({"c", 3, "c"})) << "written as soon as that worked";
  store_.reset();
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace qarax::agent
