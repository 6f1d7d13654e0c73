// Which host a start chooses while other starts are about to be recorded.
#include "placing.hpp"

#include <gtest/gtest.h>

#include <future>

#include "decision.hpp"
#include "fake_fleet.hpp"
#include "store.hpp"
#include "temp_folder.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

// A fake node for each of the first two hosts.
class TwoNodes final : public Fleet {
 public:
  explicit TwoNodes(Store& store) : first_(store, nodes_[0]), second_(store, nodes_[1]) {}
  void on(Events events) override {
    first_.on(events);
    second_.on(std::move(events));
  }
  void start(const HostPtr& host) override { (started_++ == 0 ? first_ : second_).start(host); }
  void drop(const std::string&) override {}
  void stop() override {
    first_.stop();
    second_.stop();
  }
  std::shared_ptr<NodeAccess> link(const std::string& host) const override {
    const auto found = first_.link(host);
    return found ? found : second_.link(host);
  }
  void check_heartbeats() override {}
  void reconnect_all() override {}

 private:
  int started_ = 0;
  FakeNode nodes_[2];
  FakeFleet first_;
  FakeFleet second_;
};

class PlacingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_sqlite(folder_ / "qarax.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    nodes_ = std::make_unique<TwoNodes>(*store_);
    nodes_->on({[](const std::string&) {}, [](const VmPtr&, const core::VmReport&) {}});
    for (const char* name : {"h1", "h2"}) {
      const auto host = store_->add_host({name, "127.0.0.1", name[1] - '0', ""});
      ASSERT_TRUE(host) << host.error().message;
      nodes_->start(*host);
      ASSERT_TRUE(nodes_->link((*host)->id)->connect_now(20'000));
    }
  }
  void TearDown() override {
    if (nodes_) nodes_->stop();
    nodes_.reset();
  }
  Decision start(const std::string& name) {
    const auto made = store_->create_vm({name, std::nullopt, "", std::nullopt, {}});
    EXPECT_TRUE(made) << made.error().message;
    auto decided = decide(**made, core::Action::start, {}, *store_, *nodes_, &promises_);
    EXPECT_TRUE(decided) << decided.error().message;
    return decided ? std::move(*decided) : Decision{};
  }
  static std::string host_of(const Decision& decision) { return decision.job.placement->host_id; }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<TwoNodes> nodes_;
  Promises promises_;
};

TEST_F(PlacingTest, StartsThatArentRecordedYetDontAllTakeTheSameHost) {
  const Decision first = start("a");
  Decision second = start("b");
  EXPECT_NE(host_of(first), host_of(second)) << "nothing of either is in the store";
  const Decision third = start("c");
  const Decision fourth = start("d");
  EXPECT_NE(host_of(third), host_of(fourth));
  // A promise that is dropped no longer counts.
  const std::string free = host_of(second);
  second = {};
  EXPECT_EQ(host_of(start("e")), free);
}

TEST_F(PlacingTest, WhatIsRecordedCountsOnce) {
  for (int i = 0; i < 6; ++i) {
    const Decision decision = start("vm" + std::to_string(i));
    ASSERT_TRUE(store_->begin_job(decision.job));
  }
  std::map<std::string, int> taken;
  for (const Reservation& one : store_->reservations()) ++taken[one.host_id];
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken.begin()->second, 3);
}

// A choice among these hosts for a VM that fills one of them.
Choice choice_of(const std::vector<std::string>& hosts) {
  Choice out{{"web", "", {}}, {}};
  out.request.spec.memory_size = 1 << 20;
  for (const std::string& name : hosts) {
    HostRecord host;
    host.id = host.name = name;
    host.status = HostStatus::up;
    host.info.emplace();
    host.info->memory = 1 << 20;
    host.info->default_hypervisor = "qemu";
    core::PluginInfo plugin;
    plugin.name = "qemu";
    plugin.state = core::PluginState::loaded;
    host.info->plugins.push_back(plugin);
    out.candidates.push_back({std::make_shared<const HostRecord>(host), 0, true});
  }
  return out;
}

TEST(Promises, PreferAnotherHostAndRefuseNone) {
  const auto only = [] { return choice_of({"only"}); };
  Promises promises;
  const auto first = promises.place(only);
  ASSERT_TRUE(first);
  EXPECT_TRUE(promises.place(only)) << "whether there is room for both the store sees";
}

TEST(Promises, AreNotTakenBackWhileAnotherStartReadsWhatIsReserved) {
  Promises promises;
  const auto both = [] { return choice_of({"h1", "h2"}); };
  auto first = promises.place(both);
  ASSERT_TRUE(first);
  std::future<void> recorded;
  const auto second = promises.place([&]() -> Result<Choice> {
    auto read = both();
    // The first start is recorded just after the reservations were read, and its promise ends.
    recorded = std::async(std::launch::async, [&] { first->kept = Promises::Kept(); });
    EXPECT_EQ(recorded.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
    return read;
  });
  ASSERT_TRUE(second);
  EXPECT_NE(second->placement.host_id, first->placement.host_id);
}

}  // namespace
}  // namespace qarax::server
