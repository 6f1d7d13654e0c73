#include "simulator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "temp_folder.hpp"
#include "test_support.hpp"

namespace qarax::simulator {
namespace {

using testing::FakeClock;
using testing::FakeHost;
using testing::TestCall;

class SimulatorPlugin : public ::testing::Test {
 protected:
  SimulatorPlugin() { load("null"); }
  ~SimulatorPlugin() override {
    plugin.reset();
    EXPECT_FALSE(host.process_service_used);
  }
  // Loads the plugin anew; a second call acts like a restart of the agent.
  void load(const std::string& config) {
    auto made = std::make_unique<FakeClock>();
    if (clock != nullptr) made->advance(clock->now_ns());
    plugin.reset();
    clock = made.get();
    CreateArgs args;
    args.config.text = config;
    plugin.emplace(host, args, std::move(made));
  }
  StartArgs start_args(const std::string& config = "null") const {
    StartArgs args;
    args.vm = "vm-1";
    args.incarnation = 1;
    args.spec.max_vcpus = 4;
    args.spec.config.text = config;
    args.run_dir = dir_;
    return args;
  }
  VmArgs vm() const { return {"vm-1", 1, dir_, {call.kept}}; }
  VmStatus start(const std::string& config = "null") {
    const auto status = plugin->start(call.get(), start_args(config));
    EXPECT_TRUE(status) << status.error().message;
    return status ? *status : VmStatus{};
  }
  VmState state() {
    const auto status = plugin->inspect(call.get(), vm());
    EXPECT_TRUE(status) << status.error().message;
    return status ? status->state : VmState::unknown;
  }
  std::string folder(const std::string& name) const {
    std::filesystem::create_directories(dir_ + "/" + name);
    return dir_ + "/" + name;
  }
  std::string console() const {
    std::ifstream file(dir_ + "/console.log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempFolder folder_;
  const std::string dir_ = folder_.path();
  FakeHost host;
  TestCall call;
  FakeClock* clock = nullptr;  // owned by the plugin
  std::optional<Simulator> plugin;
};

TEST_F(SimulatorPlugin, EverythingSaysThatItIsSimulated) {
  const auto description = plugin->describe(call.get());
  EXPECT_EQ(description->accelerator, "simulated");
  EXPECT_EQ(description->features.front(), "simulated");
  const VmStatus status = start();
  EXPECT_EQ(status.state, VmState::running);
  EXPECT_EQ(status.accelerator, "simulated");
  EXPECT_EQ(status.status_reason, "simulated");
  EXPECT_EQ(console(), "simulated VM vm-1: started, no guest runs\n");
}

TEST_F(SimulatorPlugin, GoesThroughAWholeLife) {
  start();
  EXPECT_EQ(start().state, VmState::running) << "a start that is repeated";
  EXPECT_EQ(plugin->pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin->pause(call.get(), vm())->state, VmState::paused);
  EXPECT_EQ(plugin->resume(call.get(), vm())->state, VmState::running);
  EXPECT_EQ(plugin->reboot(call.get(), vm())->state, VmState::running);
  ResizeArgs resize{vm(), 3, std::nullopt};
  EXPECT_NE(plugin->resize(call.get(), resize)->live.text.find("\"vcpus\":3"), std::string::npos);
  resize.vcpus = 5;
  EXPECT_EQ(plugin->resize(call.get(), resize).error().details.at(0).pointer, "/vcpus");
  clock->advance(7);
  const auto counters = plugin->counters(call.get(), vm());
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->counters.at(0).value, 7);
  EXPECT_EQ(counters->counters.at(1).value, 1);
  EXPECT_EQ(plugin->stop(call.get(), {vm(), StopMode::graceful, 1000})->state, VmState::shutdown);
  EXPECT_EQ(plugin->stop(call.get(), {vm(), StopMode::graceful, 1000})->state, VmState::shutdown);
  EXPECT_EQ(state(), VmState::shutdown);
  EXPECT_EQ(plugin->pause(call.get(), vm()).error().code, Code::failed_precondition);
}

TEST_F(SimulatorPlugin, TheVmsOwnDelaysCountAndEndWithTheCall) {
  load(R"({"start_delay_ms":1,"stop_delay_ms":2,"action_delay_ms":3})");
  start(R"({"start_delay_ms":10,"stop_delay_ms":20})");
  ASSERT_TRUE(plugin->pause(call.get(), vm()));
  ASSERT_TRUE(plugin->resume(call.get(), vm()));
  ASSERT_TRUE(plugin->stop(call.get(), {vm(), StopMode::graceful, 1000}));
  EXPECT_EQ(clock->delays, (std::vector<std::int64_t>{10, 3, 3, 20}));
}

TEST_F(SimulatorPlugin, ADelayThatIsBrokenOffLeavesNothing) {
  clock->allowed_ms = 5;
  EXPECT_EQ(plugin->start(call.get(), start_args(R"({"start_delay_ms":10})")).error().code, Code::deadline_exceeded);
  EXPECT_EQ(state(), VmState::shutdown);
  start();
  TestCall cancelled;
  cancelled.cancel();
  EXPECT_EQ(plugin->pause(cancelled.get(), vm()).error().code, Code::cancelled);
  EXPECT_EQ(state(), VmState::running);
}

TEST_F(SimulatorPlugin, AGuestIsKilledWhenItsTimeToStopIsUp) {
  start(R"({"stop_delay_ms":5000})");
  ASSERT_TRUE(plugin->stop(call.get(), {vm(), StopMode::graceful, 100}));
  EXPECT_EQ(clock->delays.back(), 100);
  EXPECT_EQ(state(), VmState::shutdown);
}

TEST_F(SimulatorPlugin, FailuresComeAsTheSeedSays) {
  const auto refused = plugin->start(call.get(), start_args(R"({"failure_percent":100})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "vmm-failed");
  EXPECT_NE(refused.error().message.find("simulated"), std::string::npos);
  EXPECT_EQ(state(), VmState::shutdown);
}

TEST_F(SimulatorPlugin, ActionsFailAsTheSeedSaysAndChangeNothing) {
  start(R"({"action_failure_percent":100})");
  const auto refused = [&](const Result<VmStatus>& status, const std::string& action) {
    ASSERT_FALSE(status) << action;
    EXPECT_EQ(status.error().reason, "vmm-failed");
    EXPECT_EQ(status.error().message, "simulated failure of a " + action + " (action_failure_percent 100)");
    EXPECT_EQ(state(), VmState::running) << action;
  };
  refused(plugin->pause(call.get(), vm()), "pause");
  refused(plugin->resume(call.get(), vm()), "resume");
  refused(plugin->reboot(call.get(), vm()), "reboot");
  refused(plugin->resize(call.get(), {vm(), 2, std::nullopt}), "resize");
  call.lend_folder(folder("snapshot"));
  refused(plugin->snapshot(call.get(), {vm()}), "snapshot");
  refused(plugin->stop(call.get(), {vm(), StopMode::graceful, 1000}), "stop");
  EXPECT_EQ(plugin->stop(call.get(), {vm(), StopMode::force, 0})->state, VmState::shutdown) << "the way out";
}

TEST_F(SimulatorPlugin, AnActionThatIsRepeatedDrawsAnewAlsoAfterTheAgentsRestart) {
  const auto outcomes = [&] {
    std::string out;
    start(R"({"action_failure_percent":50,"seed":7})");
    for (int i = 0; i < 40; ++i) {
      if (i == 20) load("null");
      out += plugin->reboot(call.get(), vm()) ? '+' : '-';
    }
    EXPECT_TRUE(plugin->stop(call.get(), {vm(), StopMode::force, 0}));
    return out;
  };
  const std::string first = outcomes();
  EXPECT_GT(std::count(first.begin(), first.end(), '-'), 10) << first;
  EXPECT_GT(std::count(first.begin(), first.end(), '+'), 10) << first;
  EXPECT_NE(first.substr(0, 20), first.substr(20)) << "it goes on and doesn't begin anew";
  EXPECT_EQ(outcomes(), first) << "the same every time";
}

TEST_F(SimulatorPlugin, AnEndByItselfIsTold) {
  start(R"({"exit_after_ms":1000})");
  clock->advance(700'000'000);
  EXPECT_EQ(state(), VmState::running);
  clock->advance(600'000'000);
  ASSERT_TRUE(host.wait_for("vm-1"));
  const auto status = plugin->inspect(call.get(), vm());
  EXPECT_EQ(status->state, VmState::shutdown);
  EXPECT_NE(status->status_reason.find("ended by itself"), std::string::npos);
  EXPECT_EQ(status->exit->kind, ExitKind::exited);
}

TEST_F(SimulatorPlugin, AStoppedOrPausedVmDoesNotEndByItself) {
  start(R"({"exit_after_ms":1000})");
  ASSERT_TRUE(plugin->pause(call.get(), vm()));
  clock->advance(10'000'000'000);
  EXPECT_EQ(state(), VmState::paused);
  ASSERT_TRUE(plugin->resume(call.get(), vm()));
  EXPECT_EQ(state(), VmState::running);
  ASSERT_TRUE(plugin->stop(call.get(), {vm(), StopMode::force, 0}));
  clock->advance(10'000'000'000);
  plugin.reset();  // joins the thread that would notify
  EXPECT_TRUE(host.notified().empty());
}

TEST_F(SimulatorPlugin, ARestoreGoesOnWhereTheSnapshotLeftOff) {
  start(R"({"exit_after_ms":1000})");
  clock->advance(400'000'000);
  call.lend_folder(folder("snapshot"));
  EXPECT_EQ(plugin->snapshot(call.get(), {vm()})->state, VmState::running);
  ASSERT_TRUE(plugin->stop(call.get(), {vm(), StopMode::force, 0}));
  clock->advance(90'000'000'000);
  StartArgs args = start_args();
  args.incarnation = 2;
  const auto restored = plugin->restore(call.get(), args);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(restored->state, VmState::running);
  EXPECT_EQ(plugin->counters(call.get(), vm())->counters.at(0).value, 400'000'000) << "its clock stood still";
  EXPECT_EQ(plugin->restore(call.get(), args)->state, VmState::running) << "a restore that is repeated";
  clock->advance(900'000'000);
  EXPECT_EQ(state(), VmState::shutdown) << "and so did the clock of its end";
}

TEST_F(SimulatorPlugin, AFolderWithoutASnapshotRestoresNothing) {
  call.lend_folder(folder("empty"));
  EXPECT_EQ(plugin->restore(call.get(), start_args()).error().code, Code::not_found);
  EXPECT_EQ(call.kept, "null");
}

TEST_F(SimulatorPlugin, ItsStateOutlivesTheAgent) {
  start(R"({"exit_after_ms":1000,"action_delay_ms":4})");
  ASSERT_TRUE(plugin->pause(call.get(), vm()));
  load("null");
  EXPECT_EQ(plugin->recover(call.get(), vm())->state, VmState::paused);
  ASSERT_TRUE(plugin->resume(call.get(), vm()));
  EXPECT_EQ(clock->delays, std::vector<std::int64_t>{4});
  load("null");
  EXPECT_EQ(plugin->recover(call.get(), vm())->state, VmState::running);
  clock->advance(2'000'000'000);
  EXPECT_TRUE(host.wait_for("vm-1")) << "the alarm has to be set again";
}

TEST_F(SimulatorPlugin, WhatAnInterruptedStartLeftIsRemoved) {
  start();
  call.kept = "null";
  EXPECT_EQ(plugin->recover(call.get(), vm())->state, VmState::shutdown);
  call.kept = R"({"format":1,"simulated":true})";
  EXPECT_EQ(state(), VmState::shutdown);
  EXPECT_NE(plugin->recover(call.get(), vm())->status_reason.find("interrupted"), std::string::npos);
}

TEST_F(SimulatorPlugin, AForeignOrNewerHandleIsNotTouched) {
  start();
  for (const char* foreign : {"null", "{}", R"({"format":1,"vmm":"qemu"})"}) {
    call.kept = foreign;
    EXPECT_EQ(plugin->inspect(call.get(), vm()).error().code, Code::not_found) << foreign;
  }
  call.kept = R"({"format":2,"simulated":true})";
  EXPECT_EQ(plugin->inspect(call.get(), vm()).error().code, Code::failed_precondition);
  EXPECT_EQ(plugin->recover(call.get(), vm()).error().code, Code::failed_precondition);
  EXPECT_EQ(plugin->stop(call.get(), {vm(), StopMode::graceful, 0}).error().code, Code::failed_precondition);
  call.kept = R"({"format":1,"simulated":true})";
  EXPECT_EQ(state(), VmState::running);
}

TEST_F(SimulatorPlugin, ADamagedRecordIsSaidAndCanBeForced) {
  start();
  std::ofstream(vm().run_dir + "/simulated.json") << "{";
  EXPECT_EQ(plugin->inspect(call.get(), vm()).error().code, Code::data_loss);
  EXPECT_FALSE(plugin->stop(call.get(), {vm(), StopMode::graceful, 0}));
  EXPECT_EQ(plugin->stop(call.get(), {vm(), StopMode::force, 0})->state, VmState::shutdown);
  EXPECT_EQ(state(), VmState::shutdown);
}

TEST_F(SimulatorPlugin, AnUnknownOptionIsRefusedWithItsPointer) {
  ResolveArgs args;
  args.spec.config.text = R"({"speed":9})";
  EXPECT_EQ(plugin->resolve(call.get(), args).error().details.at(0).pointer, "/config/speed");
}

}  // namespace
}  // namespace qarax::simulator
