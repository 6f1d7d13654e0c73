#include "undertaker.hpp"

#include <gtest/gtest.h>

#include "answering_fleet_fixture.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

class UndertakerTest : public OverAnAnsweringFleet {
 protected:
  void make(Burials::Options options) {
    undertaker_.emplace(*store_, fleet_, pool_, options, 1'000, closing_.get_token());
  }
  // A VM whose record was removed while its node was away.
  std::string forgotten(const std::string& name) {
    const std::string id = running(name);
    EXPECT_TRUE(store_->remove_vm(id, Removal::with_tombstone));
    return id;
  }
  // The node has judged the delete's revision, and keeps the VM.
  static CommandOutcome refused(const NodeCommand& command, std::int64_t revision) {
    core::VmReport still = report(command.vm, VmState::running);
    still.revision = revision;
    return {true, still, make_error(Code::resource_exhausted, "the disk is full", "disk-full")};
  }
  std::vector<Tombstone> stones() const { return store_->tombstones(host_); }

  // Called on the test's thread, by bury_all().
  AnsweringFleet::Answer answer_ = done;
  std::vector<NodeCommand> asked_;
  AnsweringFleet fleet_{[this](const NodeCommand& command) {
    asked_.push_back(command);
    return answer_(command);
  }};
  std::stop_source closing_;
  std::optional<Undertaker> undertaker_;
  core::WorkerPool pool_{"test", 1, 1};  // the last one: its work uses the others
};

TEST_F(UndertakerTest, ATombstoneGoesOnceTheNodeSaysThatTheVmIsGone) {
  make({});
  const std::string id = forgotten("web");
  undertaker_->bury_all(host_);
  pool_.stop();
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].action, core::Action::remove);
  EXPECT_EQ(asked_[0].vm, id);
  EXPECT_TRUE(stones().empty());
}

TEST_F(UndertakerTest, ADeleteThatFailedIsAnotherOneNextTime) {
  make({0, 0});
  forgotten("web");
  answer_ = [&](const NodeCommand& command) { return asked_.size() == 1 ? refused(command, 70) : done(command); };
  undertaker_->bury_all(host_);
  EXPECT_LT(asked_.at(0).revision, 70);
  wait_until("the tombstone is raised", [&] { return stones().at(0).revision == 71; });
  wait_until("the tombstone is gone", [&] {
    undertaker_->bury_all(host_);
    return stones().empty();
  });
  EXPECT_EQ(asked_.back().revision, 71) << "the node repeats its answer to the revision that it has judged";
}

TEST_F(UndertakerTest, AfterAFailureEachVmWaitsForItself) {
  make({60'000, 60'000});
  const std::string web = forgotten("web");
  answer_ = [&](const NodeCommand& command) { return refused(command, command.revision); };
  undertaker_->bury_all(host_);
  const std::string db = forgotten("db");
  undertaker_->bury_all(host_);
  undertaker_->bury_all(host_);
  pool_.stop();
  undertaker_->bury_all(host_);
  ASSERT_EQ(asked_.size(), 2u);
  EXPECT_EQ(asked_[0].vm, web);
  EXPECT_EQ(asked_[1].vm, db);
  EXPECT_EQ(stones().size(), 2u);
}

TEST_F(UndertakerTest, NothingIsSentToANodeThatIsAwayNorByAServerThatIsEnding) {
  make({});
  forgotten("web");
  fleet_.be_up(false);
  undertaker_->bury_all(host_);
  EXPECT_TRUE(asked_.empty());
  fleet_.be_up(true);
  closing_.request_stop();
  undertaker_->bury_all(host_);
  EXPECT_TRUE(asked_.empty());
  EXPECT_EQ(stones().size(), 1u) << "the next server sends it";
}

}  // namespace
}  // namespace qarax::server
