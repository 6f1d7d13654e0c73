// What is left for the next tick when a call to a node throws, as where there is no memory for it.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <new>

#include "orchestrator.hpp"
#include "temp_folder.hpp"
#include "wait_until.hpp"

namespace qarax::server {
namespace {

using core::Action;

// A fleet of one host, which answers each command as the test says.
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

 private:
  class Link final : public NodeAccess {
   public:
    explicit Link(Answer answer) : answer_(std::move(answer)) {}
    bool is_up() const override { return true; }
    bool is_greeted_as(const std::string&) const override { return true; }
    bool knows(std::string_view) const override { return false; }
    Status connect_now(std::int64_t) override { return Ok{}; }
    std::function<void()> execute(NodeCommand command, std::int64_t,
                                  std::function<void(CommandOutcome)> done) override {
      done(answer_(command));
      return [] {};
    }
    void cancel(const std::string&, std::int64_t, const std::string&) override {}
    void keep(const VmRecord&, const RawJson&) override {}
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

   private:
    static Error nothing() { return make_error(Code::unimplemented, "not for this test"); }
    const Answer answer_;
  };
  const std::shared_ptr<Link> link_;
};

class ThrowingNode : public ::testing::Test {
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
  BegunJob begin(const std::string& id, Action action) {
    BeginJob asked;
    asked.vm_id = id;
    asked.action = action;
    asked.expected_revision = store_->vm(id)->revision;
    if (action == Action::start) asked.placement = Placement{host_, "qemu", 100, 1000};
    const auto begun = store_->begin_job(asked);
    EXPECT_TRUE(begun) << begun.error().message;
    return *begun;
  }
  std::string running(const std::string& name) {
    const std::string id = (*store_->create_vm({name, std::nullopt, "", std::nullopt, {}}))->id;
    EXPECT_TRUE(store_->finish_job(begin(id, Action::start).job.id, JobState::completed, report(id, VmState::running)));
    return id;
  }
  // The node does what it is told, at once.
  static CommandOutcome done(const NodeCommand& command) {
    return {true, report(command.vm, command.action == Action::remove ? VmState::unknown : VmState::shutdown),
            std::nullopt};
  }

  const TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::string host_;
};

TEST_F(ThrowingNode, AJobIsSentAgainByTheNextTick) {
  const std::string web = running("web");
  const std::string job = begin(web, Action::stop).job.id;
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand& command) {
    if (++asked == 1) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "the job's end", [&] { return store_->unfinished_jobs().empty(); }, std::chrono::seconds(20));
  EXPECT_EQ(store_->vm(web)->observed.status.state, VmState::shutdown);
  EXPECT_EQ(store_->job_book().find(job)->state, JobState::completed);
  EXPECT_EQ(asked, 2);
}

TEST_F(ThrowingNode, ARefusedCallRaisesNoTombstone) {
  const std::string web = running("web");
  ASSERT_TRUE(store_->remove_vm(web, Removal::with_tombstone));
  const auto before = store_->tombstones(host_);
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand&) {
    ++asked;
    return CommandOutcome{true, std::nullopt, make_error(Code::permission_denied, "not from you", "")};
  });
  OrchestratorOptions options;
  options.burials = {1, 2};
  Orchestrator orchestrator(*store_, fleet, options);
  wait_until(
      "three attempts", [&] { return asked >= 3; }, std::chrono::seconds(20));
  EXPECT_EQ(store_->tombstones(host_), before) << "the node has judged no revision";
}

TEST_F(ThrowingNode, OneThatAlwaysThrowsKeepsNoOtherFromItsTurn) {
  for (const std::string name : {"a", "b", "c"}) begin(running(name), Action::stop);
  for (const std::string name : {"d", "e", "f"}) ASSERT_TRUE(store_->remove_vm(running(name), Removal::with_tombstone));
  // The first job and the first delete that are sent.
  std::map<Action, std::string> bad;
  std::mutex mutex;
  AnsweringFleet fleet([&](const NodeCommand& command) {
    const std::lock_guard lock(mutex);
    if (bad.emplace(command.action, command.vm).first->second == command.vm) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "the others' ends",
      [&] { return store_->unfinished_jobs().size() == 1 && store_->tombstones(host_).size() == 1; },
      std::chrono::seconds(20));
}

TEST_F(ThrowingNode, AForgottenVmIsDeletedByALaterTick) {
  ASSERT_TRUE(store_->remove_vm(running("web"), Removal::with_tombstone));
  std::atomic<int> asked{0};
  AnsweringFleet fleet([&](const NodeCommand& command) {
    if (++asked == 1) throw std::bad_alloc();
    return done(command);
  });
  Orchestrator orchestrator(*store_, fleet);
  wait_until(
      "no tombstone", [&] { return store_->tombstones(host_).empty(); }, std::chrono::seconds(20));
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace qarax::server
