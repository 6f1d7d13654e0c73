// The background work while the database keeps a thread waiting.
#include <Poco/Data/Session.h>
#include <Poco/Data/Statement.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "orchestrator.hpp"
#include "temp_folder.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

using Clock = std::chrono::steady_clock;

class CountingFleet final : public Fleet {
 public:
  void on(Events) override {}
  void start(const HostPtr&) override {}
  void drop(const std::string&) override {}
  void stop() override {}
  std::shared_ptr<NodeAccess> link(const std::string&) const override { return nullptr; }
  void check_heartbeats() override { ++looks; }
  void reconnect_all() override {}
  std::atomic<int> looks{0};
};

TEST(Ticks, ADatabaseThatKeepsTheTidyingWaitingKeepsNoHeartbeatFromBeingMissed) {
  const TempFolder folder;
  const std::string file = folder / "qarax.db";
  auto store = open_sqlite(file);
  ASSERT_TRUE(store) << store.error().message;
  // Locks the database for SQLite's busy timeout of three seconds, which is half a dozen ticks. The first tick prunes.
  Poco::Data::Session other("SQLite", file);
  other << "BEGIN IMMEDIATE", Poco::Data::Keywords::now;
  CountingFleet fleet;
  Orchestrator orchestrator(**store, fleet);
  const auto wait_for = [&](int looks) {
    wait_until("looks at the heartbeats", [&] { return fleet.looks >= looks; });
    return Clock::now();
  };
  const auto first = wait_for(1);
  EXPECT_LT(wait_for(3) - first, std::chrono::milliseconds(2'500));
  other << "ROLLBACK", Poco::Data::Keywords::now;
}

}  // namespace
}  // namespace qarax::server
