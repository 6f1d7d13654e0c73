#include "keeper.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "answering_fleet_fixture.hpp"
#include "keep.hpp"

namespace qarax::server {
namespace {

using std::chrono::seconds;

class KeeperTest : public OverAnAnsweringFleet {
 protected:
  void SetUp() override {
    OverAnAnsweringFleet::SetUp();
    vm_ = running("web");
    keeper_.emplace(*store_, fleet_, seconds(1));
  }
  void reports(const std::string& keep) {
    core::VmReport told = report(vm_, VmState::running);
    told.seq = ++seq_;
    told.keep = keep;
    EXPECT_TRUE(store_->apply_report(host_, told));
  }
  std::string fingerprint() const {
    const VmPtr now = store_->vm(vm_);
    return core::fingerprint_of_keep(now->name, RawJson{encode(keep_of(*now))});
  }
  // Looks once in each of the next `count` seconds and returns the seconds in which the node was told.
  std::vector<int> told_within(int count) {
    std::vector<int> out;
    for (int i = 0; i < count; ++i, now_ += seconds(1)) {
      const int before = fleet_.told_to_keep();
      keeper_->look(now_);
      if (fleet_.told_to_keep() > before) out.push_back(i);
    }
    return out;
  }

  AnsweringFleet fleet_{done};
  std::string vm_;
  std::int64_t seq_ = 1;
  Keeper::Clock::time_point now_{};
  std::optional<Keeper> keeper_;
};

TEST_F(KeeperTest, EachRepeatWaitsTwiceAsLongUpToTheMost) {
  reports("of other words");
  EXPECT_EQ(told_within(300), (std::vector<int>{0, 1, 3, 7, 15, 31, 63, 127, 191, 255}));
}

TEST_F(KeeperTest, NothingIsRepeatedOnceTheNodeHasKeptIt) {
  reports("of other words");
  EXPECT_EQ(told_within(5), (std::vector<int>{0, 1, 3}));
  reports(fingerprint());
  EXPECT_EQ(told_within(300), std::vector<int>{});
}

TEST_F(KeeperTest, NewsOfTheVmBeginWithAShortWaitAgain) {
  reports("of other words");
  EXPECT_EQ(told_within(20), (std::vector<int>{0, 1, 3, 7, 15}));
  reports("of other words, too");
  EXPECT_EQ(told_within(5), (std::vector<int>{0, 1, 3}));
}

TEST_F(KeeperTest, ANodeThatIsAwayIsToldOnceItIsBack) {
  reports("of other words");
  fleet_.be_up(false);
  EXPECT_EQ(told_within(10), std::vector<int>{});
  fleet_.be_up(true);
  EXPECT_EQ(told_within(5), (std::vector<int>{0, 1, 3}));
}

}  // namespace
}  // namespace qarax::server
