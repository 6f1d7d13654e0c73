#include "restarter.hpp"

#include <gtest/gtest.h>

#include "answering_fleet_fixture.hpp"

namespace qarax::server {
namespace {

class RestarterTest : public OverAnAnsweringFleet {
 protected:
  void SetUp() override {
    OverAnAnsweringFleet::SetUp();
    restarter_.emplace(
        *store_, fleet_, Restarts::Options{0, 0, 600'000},
        [this](const std::string& vm_id) -> Status {
          started_.push_back(vm_id);
          return make_error(Code::resource_exhausted, "no host takes it", "no-host-fits");
        },
        closing_.get_token());
  }
  // A VM that crashed.
  std::string ended(const std::string& name, RestartPolicy policy) {
    const std::string id = running(name);
    const auto change = [&](VmRecord& vm) -> Status {
      vm.restart.policy = policy;
      return Ok{};
    };
    EXPECT_TRUE(store_->edit_vm({id, std::nullopt, change}));
    EXPECT_TRUE(store_->apply_report(host_, report(id, VmState::shutdown)));
    return id;
  }

  AnsweringFleet fleet_{done};
  std::vector<std::string> started_;
  std::stop_source closing_;
  std::optional<Restarter> restarter_;
};

TEST_F(RestarterTest, OneStartThatIsRefusedKeepsNoOtherFromItsTurn) {
  const std::string web = ended("web", RestartPolicy::on_failure);
  ended("stays", RestartPolicy::never);
  const std::string db = ended("db", RestartPolicy::always);
  restarter_->look();
  EXPECT_EQ(started_, (std::vector<std::string>{web, db}));
}

TEST_F(RestarterTest, NothingIsStartedOnAHostThatIsAwayNorByAServerThatIsEnding) {
  const std::string web = ended("web", RestartPolicy::on_failure);
  fleet_.be_up(false);
  restarter_->look();
  EXPECT_TRUE(started_.empty());
  fleet_.be_up(true);
  restarter_->look();
  EXPECT_EQ(started_, std::vector<std::string>{web});
  closing_.request_stop();
  restarter_->look();
  EXPECT_EQ(started_.size(), 1u);
}

}  // namespace
}  // namespace qarax::server
