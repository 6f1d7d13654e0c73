// Parts of the orchestrator on a real store and a fleet whose one node answers as the test says. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fleet.hpp"
#include "store.hpp"
#include "temp_folder.hpp"

namespace qarax::server {

// A fleet of one host, which answers each command as the test says, within the call. Its link stays the same one.
class AnsweringFleet final : public Fleet {
 public:
  using Answer = std::function<CommandOutcome(const NodeCommand&)>;
  explicit AnsweringFleet(Answer answer) : link_(std::make_shared<Link>(std::move(answer))) {}
  void on(Events) override {}
  void start(const HostPtr&) override {}
  void drop(const std::string&) override {}
  void stop() override {}
  std::shared_ptr<NodeAccess> link(const std::string&) const override { return link_; }
  void check_heartbeats() override {}
  void reconnect_all() override {}

  void be_up(bool up) { link_->up = up; }
  // From now on no command is answered.
  void be_silent() { link_->silent = true; }
  // How often a call's own function asked to cancel it.
  int cancelled_calls() const { return link_->cancelled_calls; }
  int told_to_keep() const { return link_->told_to_keep; }
  // The commands that the node was asked to cancel without their call: VM and revision. Only for the thread that asks.
  std::vector<std::pair<std::string, std::int64_t>> cancelled() const { return link_->cancelled; }

 private:
  class Link final : public NodeAccess {
   public:
    explicit Link(Answer answer) : answer_(std::move(answer)) {}
    bool is_up() const override { return up; }
    bool is_greeted_as(const std::string&) const override { return true; }
    bool knows(std::string_view feature) const override {
      return feature == core::kFeatureCancel || feature == core::kFeatureKeep;
    }
    Status connect_now(std::int64_t) override { return Ok{}; }
    std::function<void()> execute(NodeCommand command, std::int64_t,
                                  std::function<void(CommandOutcome)> done) override {
      if (CommandOutcome outcome = answer_(command); !silent) done(std::move(outcome));
      return [this] { ++cancelled_calls; };
    }
    void cancel(const std::string& vm, std::int64_t revision, const std::string&) override {
      cancelled.emplace_back(vm, revision);
    }
    void keep(const VmRecord&, const RawJson&) override { ++told_to_keep; }
    Result<Counters> counters(const std::string&, std::int64_t) override { return nothing(); }
    Result<VmSpec> resolve(const core::StartCommand&, std::int64_t) override { return nothing(); }
    Result<std::string> read_vmm_log(const std::string&, std::int64_t) override { return nothing(); }
    Status read_console(const std::string&, std::int64_t, bool, const std::function<bool(std::string_view)>&,
                        const std::stop_token&) override {
      return nothing();
    }
    Result<std::unique_ptr<ConsoleLine>> attach_console(const std::string&, std::int64_t, std::int64_t) override {
      return nothing();
    }
    Result<NodeSurvey> survey(const std::vector<std::string>&, std::int64_t) override { return nothing(); }
    Status adopt(const Activation&, const std::function<Status()>&) override { return nothing(); }
    Result<std::vector<core::Leftover>> leftovers(bool, const std::vector<std::string>&) override { return nothing(); }
    void reconnect() override {}

    std::atomic<bool> up{true};
    std::atomic<bool> silent{false};
    std::atomic<int> cancelled_calls{0};
    std::atomic<int> told_to_keep{0};
    std::vector<std::pair<std::string, std::int64_t>> cancelled;

   private:
    static Error nothing() { return make_error(Code::unimplemented, "not for this test"); }
    const Answer answer_;
  };
  const std::shared_ptr<Link> link_;
};

// A store with that host, and VMs there.
class OverAnAnsweringFleet : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_sqlite(folder_ / "qarax.db");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
    host_ = (*store_->add_host({"h1", "127.0.0.1", 1, ""}))->id;
  }
  static core::VmReport report(const std::string& vm, VmState state) {
    core::VmReport out;
    out.vm = vm;
    out.incarnation = 1;
    out.session = "s1";
    out.seq = state == VmState::running ? 1 : 2;
    out.status.state = state;
    out.deleted = state == VmState::unknown;
    return out;
  }
  BegunJob begin(const std::string& id, core::Action action) {
    BeginJob asked;
    asked.vm_id = id;
    asked.action = action;
    asked.expected_revision = store_->vm(id)->revision;
    if (action == core::Action::start) asked.placement = Placement{host_, "qemu", 100, 1000};
    const auto begun = store_->begin_job(asked);
    EXPECT_TRUE(begun) << begun.error().message;
    return *begun;
  }
  std::string running(const std::string& name) {
    const std::string id = (*store_->create_vm({name, std::nullopt, "", std::nullopt, {}}))->id;
    EXPECT_TRUE(
        store_->finish_job(begin(id, core::Action::start).job.id, JobState::completed, report(id, VmState::running)));
    return id;
  }
  // The node does what it is told, at once.
  static CommandOutcome done(const NodeCommand& command) {
    return {true, report(command.vm, command.action == core::Action::remove ? VmState::unknown : VmState::shutdown),
            std::nullopt};
  }

  const TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::string host_;
};

}  // namespace qarax::server
